/**
 * Names come again and again: the same field keys in every message, the same nodes and networks in every push/pull. Making
 * a string costs far more than finding the one made last time, and thousands of copies of one name cost memory.
 *
 * A direct-mapped table: one string in each slot, the latest wins. It only ever saves work, it decides nothing.
 */
const SLOTS = 1 << 14;
/** Longer strings are mostly row keys, which come once. */
const MAX_LENGTH = 32;

const strings = new Array<string>(SLOTS).fill('');

/** The bytes from `start` to `end` as a latin1 string: one character for each byte, whatever it is. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > MAX_LENGTH) return bytes.toString('latin1', start, end);
  let hash = length;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  const held = strings[slot] ?? '';
  if (held.length === length && isSame(held, bytes, start)) return held;
  const made = bytes.toString('latin1', start, end);
  strings[slot] = made;
  return made;
}

function isSame(text: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
