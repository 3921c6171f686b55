/** Addresses as the wire has them (4 or 16 bytes) and as text in one canonical form each, so that text can be compared. */

const V4_BYTES = 4;
const V6_BYTES = 16;
const ZERO = '0'.charCodeAt(0);

/** Text of a wire address, or undefined if it is neither 4 nor 16 bytes long. IPv6 follows RFC 5952. */
export function ipText(bytes: Uint8Array): string | undefined {
  if (bytes.length === V4_BYTES) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== V6_BYTES) return undefined;
  const groups: number[] = [];
  for (let i = 0; i < V6_BYTES; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  const zeros = longestZeroRun(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (zeros.length < 2) return hex(groups);
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`;
}

/** Wire bytes of an address in text, or undefined if it is not one. A scope (`%eth0`) is refused. */
export function ipBytes(text: string): Buffer | undefined {
  return text.includes(':') ? v6Bytes(text) : v4Bytes(text);
}

/** The canonical text of an address a socket reported: IPv4 seen through a dual-stack socket loses its `::ffff:`. */
export function plainIp(text: string): string {
  return text.startsWith('::ffff:') && text.includes('.') ? text.slice('::ffff:'.length) : text;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}

/** By hand: every member of a push/pull passes here. Leading zeros are refused, as some read them as octal. */
function v4Bytes(text: string): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(V4_BYTES);
  let part = 0;
  let value = -1;
  for (let i = 0; i <= text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit >= 0 && digit <= 9) {
      if (value === 0) return undefined;
      value = Math.max(0, value) * 10 + digit;
      if (value > 255) return undefined;
    } else {
      if (value < 0 || part === V4_BYTES || (i < text.length && text[i] !== '.')) return undefined;
      bytes[part++] = value;
      value = -1;
    }
  }
  return part === V4_BYTES ? bytes : undefined;
}

function v6Bytes(text: string): Buffer | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = v6Groups(halves[0] ?? '');
  const tail = halves.length === 2 ? v6Groups(halves[1] ?? '') : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const bytes = Buffer.alloc(V6_BYTES);
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(group, index * 2);
  return bytes;
}

function v6Groups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && index === parts.length - 1) {
      const v4 = v4Bytes(part);
      if (v4 === undefined) return undefined;
      groups.push(v4.readUInt16BE(0), v4.readUInt16BE(2));
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}
