import { type Random, uniformInt } from '#base/random.ts';
import { HEADER_BYTES, OPCODE, TYPE } from './codes.ts';

// Replies are written straight into the buffer they are sent from. Each function returns the length of the reply.

/** Seconds a client may keep what it was told (spec dataplane §6.4). */
export const TTL_SEC = 600;

/** Every record's owner is the question's name, which begins right after the header (RFC 1035 §4.1.4). */
const POINTER_TO_QUESTION = 0xc000 | HEADER_BYTES;
const CLASS_IN = 1;
const TRUNCATED = 0x02;
/** Pointer, type, class, TTL and length of the data. */
const RECORD_BYTES = 12;

/** Where to write: a reply takes `out[at, at + limit)` at most; `limit` must hold the header and the question. */
export interface Room {
  readonly out: Buffer;
  readonly at: number;
  readonly limit: number;
}

/** A request as it came: header and question are taken over from it byte by byte. */
export interface Asked {
  readonly bytes: Buffer;
  readonly start: number;
  readonly questionEnd: number;
}

/** No records: with NOERROR it says that there is nothing of this type. */
export function writeEmpty(room: Room, asked: Asked, rcode: number): number {
  return writeHead(room, asked, rcode, 0, false);
}

/** For what could not be read: header only, the client's own flags kept. */
export function writeRefused(
  { out, at }: Room,
  { bytes, start }: Pick<Asked, 'bytes' | 'start'>,
  rcode: number,
): number {
  out.fill(0, at, at + HEADER_BYTES);
  bytes.copy(out, at, start, start + 4);
  const flags = bytes[start + 2] ?? 0;
  const opcode = rcode === 4 ? flags & 0x78 : 0;
  out[at + 2] = 0x80 | opcode | (flags & 0x03);
  out[at + 3] = ((bytes[start + 3] ?? 0) & 0xb0) | rcode;
  return HEADER_BYTES;
}

/** All addresses in random order, or as many as fit and the mark that there are more. @param data 4 or 16 bytes each */
export function writeAddresses(
  room: Room,
  asked: Asked,
  type: number,
  data: readonly Buffer[],
  random: Random,
): number {
  const width = type === TYPE.A ? 4 : 16;
  const before = HEADER_BYTES + asked.questionEnd - asked.start - HEADER_BYTES;
  const most = Math.floor((room.limit - before) / (RECORD_BYTES + width));
  const count = Math.min(data.length, most, 0xffff);
  let length = writeHead(room, asked, 0, count, count < data.length);
  if (data.length === 1) {
    const only = data[0];
    return only === undefined || count === 0 ? length : length + writeRecord(room, length, type, only);
  }
  const order = shuffled(data, count, random);
  for (let i = 0; i < count; i++) {
    const address = order[i];
    if (address !== undefined) length += writeRecord(room, length, type, address);
  }
  return length;
}

/** One PTR record; the mark of truncation instead where it does not fit. @param name in wire form */
export function writePointer(room: Room, asked: Asked, name: Buffer): number {
  const fits = asked.questionEnd - asked.start + RECORD_BYTES + name.length <= room.limit;
  const length = writeHead(room, asked, 0, fits ? 1 : 0, !fits);
  return fits ? length + writeRecord(room, length, TYPE.PTR, name) : length;
}

/** Header and question with the mark that there is more than fits: the client asks again over TCP. */
export function writeTruncated(room: Room, asked: Asked, rcode: number): number {
  return writeHead(room, asked, rcode, 0, true);
}

function writeHead({ out, at }: Room, asked: Asked, rcode: number, answers: number, truncated: boolean): number {
  const { bytes, start, questionEnd } = asked;
  bytes.copy(out, at, start, questionEnd);
  const flags = bytes[start + 2] ?? 0;
  const isQuery = (flags & 0x78) >> 3 === OPCODE.QUERY;
  out[at + 2] = 0x80 | (flags & (isQuery ? 0x79 : 0x78)) | (truncated ? TRUNCATED : 0);
  out[at + 3] = 0x80 | (isQuery ? (bytes[start + 3] ?? 0) & 0x10 : 0) | rcode;
  out[at + 4] = 0;
  out[at + 5] = 1;
  out[at + 6] = answers >> 8;
  out[at + 7] = answers & 0xff;
  out.fill(0, at + 8, at + HEADER_BYTES);
  return questionEnd - start;
}

function writeRecord({ out, at }: Room, length: number, type: number, data: Buffer): number {
  let offset = at + length;
  out[offset++] = POINTER_TO_QUESTION >> 8;
  out[offset++] = POINTER_TO_QUESTION & 0xff;
  out[offset++] = type >> 8;
  out[offset++] = type & 0xff;
  out[offset++] = 0;
  out[offset++] = CLASS_IN;
  out[offset++] = 0;
  out[offset++] = 0;
  out[offset++] = TTL_SEC >> 8;
  out[offset++] = TTL_SEC & 0xff;
  out[offset++] = data.length >> 8;
  out[offset++] = data.length & 0xff;
  for (let i = 0; i < data.length; i++) out[offset++] = data[i] ?? 0;
  return RECORD_BYTES + data.length;
}

/** The first `count` of a random permutation (Fisher-Yates, stopped early). */
function shuffled(data: readonly Buffer[], count: number, random: Random): Buffer[] {
  const order = data.slice();
  for (let i = 0; i < count; i++) {
    const j = uniformInt(random, i, order.length);
    const chosen = order[j];
    const here = order[i];
    if (chosen === undefined || here === undefined) break;
    order[i] = chosen;
    order[j] = here;
  }
  return order;
}
