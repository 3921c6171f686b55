import { HEADER_BYTES, MIN_UDP_BYTES, OPCODE, RCODE, TYPE } from './codes.ts';

/** A question to answer. Offsets are into the packet it was read from. */
export interface Query {
  readonly kind: 'query';
  /** As asked, without the final dot; bytes that are no plain text escaped as in master files (RFC 1035 §5.1). */
  readonly name: string;
  /** The name in lower case: what records are kept under. */
  readonly key: string;
  readonly type: number;
  /** Where the question ends. */
  readonly questionEnd: number;
  /** The longest UDP reply the client takes, in bytes. */
  readonly udpBytes: number;
}

/** What a packet is to a server: ignored ones get no reply, refused ones one without records. */
export type Parsed = Query | { readonly kind: 'refused'; readonly rcode: number } | { readonly kind: 'ignored' };

const IGNORED: Parsed = Object.freeze({ kind: 'ignored' });
const FORMERR: Parsed = Object.freeze({ kind: 'refused', rcode: RCODE.FORMERR });
const NOTIMP: Parsed = Object.freeze({ kind: 'refused', rcode: RCODE.NOTIMP });

/** Wire length of the longest name (RFC 1035 §2.3.4). */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;

/** Records beside the question that a request may bring: more than a SOA of NOTIFY or IXFR, an OPT and a TSIG is no query. */
const MAX_ANSWERS = 1;
const MAX_AUTHORITIES = 1;
const MAX_ADDITIONALS = 2;

// What each byte of a label is in text: itself, `\c` or `\DDD`. Made once: this is done for every query.
const TEXT: readonly string[] = Array.from({ length: 256 }, (_, byte) => textOf(byte));
const PLAIN = Uint8Array.from(TEXT, (text) => (text.length === 1 ? 1 : 0));

// Names of plain bytes, as nearly all are, are put together here and made a string in one go.
const scratch = Buffer.allocUnsafe(2 * MAX_NAME_BYTES);

/**
 * Reads one request out of `bytes[start, end)`: the checks and limits of Docker's resolver (spec dataplane §6.4), which
 * are those of common DNS servers. Never throws, whatever the bytes.
 */
export function parseQuery(bytes: Buffer, start: number, end: number): Parsed {
  if (end - start < HEADER_BYTES) return IGNORED;
  const flags = u8(bytes, start + 2);
  if ((flags & 0x80) !== 0) return IGNORED; // a reply: answering it could go on forever
  const opcode = (flags >> 3) & 0xf;
  if (opcode !== OPCODE.QUERY && opcode !== OPCODE.NOTIFY) return NOTIMP;
  const answers = u16(bytes, start + 6);
  const authorities = u16(bytes, start + 8);
  const additionals = u16(bytes, start + 10);
  if (u16(bytes, start + 4) !== 1) return FORMERR;
  if (answers > MAX_ANSWERS || authorities > MAX_AUTHORITIES || additionals > MAX_ADDITIONALS) return FORMERR;

  const nameAt = start + HEADER_BYTES;
  const nameEnd = questionNameEnd(bytes, nameAt, end);
  if (nameEnd < 0 || nameEnd + 4 > end) return FORMERR;
  const questionEnd = nameEnd + 4;
  const others = answers + authorities + additionals;
  const udpBytes =
    others === 0 ? MIN_UDP_BYTES : clientUdpBytes(bytes, questionEnd, end, answers + authorities, others);
  if (udpBytes < 0) return FORMERR;
  const name = nameText(bytes, nameAt, nameEnd);
  return { kind: 'query', name, key: lowerCase(name), type: u16(bytes, nameEnd), questionEnd, udpBytes };
}

/** Where a name without compression ends, or -1: there is nothing before a question that it could point to. */
function questionNameEnd(bytes: Buffer, at: number, end: number): number {
  let offset = at;
  while (offset < end) {
    const length = u8(bytes, offset);
    if (length === 0) return offset + 1 - at <= MAX_NAME_BYTES ? offset + 1 : -1;
    if (length > MAX_LABEL_BYTES) return -1;
    offset += length + 1;
    if (offset - at > MAX_NAME_BYTES) return -1;
  }
  return -1;
}

/**
 * Goes over the records after the question and returns the size of UDP replies an OPT record among the additional ones
 * allows, else 512; -1 when a record is broken. Records that are counted but missing altogether are overlooked.
 */
function clientUdpBytes(bytes: Buffer, from: number, end: number, skipped: number, count: number): number {
  let offset = from;
  let size = MIN_UDP_BYTES;
  for (let i = 0; i < count && offset < end; i++) {
    offset = recordNameEnd(bytes, offset, end);
    if (offset < 0 || offset + 10 > end) return -1;
    if (i >= skipped && u16(bytes, offset) === TYPE.OPT) size = Math.max(MIN_UDP_BYTES, u16(bytes, offset + 2));
    offset += 10 + u16(bytes, offset + 8);
    if (offset > end) return -1;
  }
  return size;
}

/** Where the name of a record ends, or -1. Where a pointer leads does not matter here. */
function recordNameEnd(bytes: Buffer, at: number, end: number): number {
  let offset = at;
  while (offset < end) {
    const length = u8(bytes, offset);
    if (length === 0) return offset + 1;
    if (length >= 0xc0) return offset + 2 <= end ? offset + 2 : -1;
    if (length > MAX_LABEL_BYTES) return -1;
    offset += length + 1;
    if (offset - at > MAX_NAME_BYTES) return -1;
  }
  return -1;
}

/** Text of a name whose lengths have been checked. */
function nameText(bytes: Buffer, at: number, nameEnd: number): string {
  let length = 0;
  let offset = at;
  for (let label = u8(bytes, offset); label !== 0; label = u8(bytes, offset)) {
    if (length > 0) scratch[length++] = 0x2e;
    const labelEnd = offset + 1 + label;
    for (offset++; offset < labelEnd; offset++) {
      const byte = u8(bytes, offset);
      if (PLAIN[byte] === 0) return escapedText(bytes, at, nameEnd);
      scratch[length++] = byte;
    }
  }
  return scratch.toString('latin1', 0, length);
}

function escapedText(bytes: Buffer, at: number, nameEnd: number): string {
  let text = '';
  let offset = at;
  while (offset < nameEnd - 1) {
    if (text !== '') text += '.';
    const labelEnd = offset + 1 + u8(bytes, offset);
    for (offset++; offset < labelEnd; offset++) text += TEXT[u8(bytes, offset)] ?? '';
  }
  return text;
}

/** The letters of ASCII only (RFC 4343), and at no cost where there is nothing to change. */
export function lowerCase(name: string): string {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  }
  return name;
}

function textOf(byte: number): string {
  if (byte < 0x21 || byte > 0x7e) return byte === 0x20 ? '\\ ' : `\\${String(byte).padStart(3, '0')}`;
  const character = String.fromCharCode(byte);
  return '.\'@;()"\\'.includes(character) ? `\\${character}` : character;
}

function u8(bytes: Buffer, at: number): number {
  return bytes[at] ?? 0;
}

function u16(bytes: Buffer, at: number): number {
  return (u8(bytes, at) << 8) | u8(bytes, at + 1);
}
