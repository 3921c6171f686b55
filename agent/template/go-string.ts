/**
 * A Go string: any bytes, kept as a JavaScript string with one char (U+0000 to U+00FF) per byte.
 *
 * Go's `len`, `slice`, `index` and comparisons count and order bytes, and a secret may hold bytes that are no UTF-8.
 * In this form all of those are plain string operations and nothing is lost. Text goes in and out only through the
 * functions below; everything else in this folder deals in Go strings.
 */
export type GoString = string;

/** What Go shows for a byte that is no part of valid UTF-8. */
export const REPLACEMENT_RUNE = 0xfffd;
export const MAX_RUNE = 0x10ffff;

export function fromText(text: string): GoString {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Bytes that are not UTF-8 become U+FFFD: for messages and for fields that are text on the wire. */
export function toText(value: GoString): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}

export function fromBytes(bytes: Uint8Array): GoString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function toBytes(value: GoString): Buffer {
  return Buffer.from(value, 'latin1');
}

export interface Rune {
  /** Code point, or REPLACEMENT_RUNE for a bad byte. */
  readonly code: number;
  /** Bytes taken: 1 to 4; 1 for a bad byte. */
  readonly width: number;
  /** False for a byte that is not UTF-8, which cannot be told from a real U+FFFD by its code. */
  readonly valid: boolean;
}

/** Lead byte of 2, 3 and 4 bytes: its payload bits, and the smallest code that may be written that long (RFC 3629 §3). */
const TWO_BYTES = { width: 2, mask: 0x1f, least: 0x80 } as const;
const THREE_BYTES = { width: 3, mask: 0x0f, least: 0x800 } as const;
const FOUR_BYTES = { width: 4, mask: 0x07, least: 0x10000 } as const;

const BAD_BYTE: Rune = { code: REPLACEMENT_RUNE, width: 1, valid: false };

/** The rune that starts at byte `at`, which must be inside the string. */
export function runeAt(value: GoString, at: number): Rune {
  const first = value.charCodeAt(at);
  if (first < 0x80) return { code: first, width: 1, valid: true };
  if (first < 0xc2 || first > 0xf4) return BAD_BYTE;
  const lead = first < 0xe0 ? TWO_BYTES : first < 0xf0 ? THREE_BYTES : FOUR_BYTES;
  if (at + lead.width > value.length) return BAD_BYTE;
  let code = first & lead.mask;
  for (let i = 1; i < lead.width; i++) {
    const next = value.charCodeAt(at + i);
    if ((next & 0xc0) !== 0x80) return BAD_BYTE;
    code = (code << 6) | (next & 0x3f);
  }
  return code >= lead.least && isScalar(code) ? { code, width: lead.width, valid: true } : BAD_BYTE;
}

export function* runesOf(value: GoString): Generator<Rune> {
  for (let at = 0; at < value.length; ) {
    const rune = runeAt(value, at);
    yield rune;
    at += rune.width;
  }
}

export function runeCount(value: GoString): number {
  if (isAscii(value)) return value.length;
  let count = 0;
  for (const _ of runesOf(value)) count++;
  return count;
}

/** UTF-8 of one code point; U+FFFD for what no code point is (negative, surrogate, too large). */
export function encodeRune(code: number): GoString {
  return fromText(String.fromCodePoint(isScalar(code) ? code : REPLACEMENT_RUNE));
}

export function isScalar(code: number): boolean {
  return code >= 0 && code <= MAX_RUNE && !(code >= 0xd800 && code <= 0xdfff);
}

/** Letters, marks, numbers, punctuation, symbols and the ASCII space: what Go prints as it is (unicode.IsPrint). */
export function isPrintable(code: number): boolean {
  if (code < 0x80) return code >= 0x20 && code < 0x7f;
  return isScalar(code) && /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(String.fromCodePoint(code));
}

function isAscii(value: GoString): boolean {
  return !/[\x80-\xff]/.test(value);
}
