import { HEADER_BYTES } from './message-writer.ts';

/** Netlink messages from the kernel. Every length is checked before it is used; none of it is trusted to be well formed. */

/** NLA_F_NESTED and NLA_F_NET_BYTEORDER (linux/netlink.h) are not part of the type. */
const NLA_TYPE_MASK = 0x3fff;

/** Why bytes could not be read as netlink. */
export class NetlinkDecodeError extends Error {
  override readonly name = 'NetlinkDecodeError';
  /** Where in the datagram. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(`${message} at offset ${offset}`);
    this.offset = offset;
  }
}

/** One message in a datagram: the body is `bytes[start..end)`. Valid until the next is read. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The whole datagram. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * Calls `visit` for each message of a datagram, in order.
 *
 * @throws NetlinkDecodeError
 */
export function readMessages(bytes: Buffer, visit: (message: Message) => void): void {
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER_BYTES) throw new NetlinkDecodeError('a message header is cut short', at);
    const length = bytes.readUInt32LE(at);
    if (length < HEADER_BYTES || length > bytes.length - at) {
      throw new NetlinkDecodeError(`a message says it is ${length} bytes long, of ${bytes.length - at}`, at);
    }
    const message = {
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      bytes,
      start: at + HEADER_BYTES,
      end: at + length,
    };
    visit(message);
    at += (length + 3) & ~3;
  }
}

/**
 * Calls `visit` for each attribute in `bytes[start..end)` with its type, where its payload starts, and the payload's length.
 *
 * @throws NetlinkDecodeError
 */
export function readAttributes(
  bytes: Buffer,
  start: number,
  end: number,
  visit: (type: number, at: number, length: number) => void,
): void {
  // Up to three bytes at the end can be padding.
  for (let at = start; end - at >= 4; ) {
    const length = u16At(bytes, at);
    if (length < 4 || length > end - at) {
      throw new NetlinkDecodeError(`an attribute says it is ${length} bytes long, of ${end - at}`, at);
    }
    visit(u16At(bytes, at + 2) & NLA_TYPE_MASK, at + 4, length - 4);
    at += (length + 3) & ~3;
  }
}

/** Refuses a fixed part of a body that is shorter than the struct it is. */
export function needBytes(message: Message, count: number, struct: string): void {
  if (message.end - message.start < count) throw new NetlinkDecodeError(`${struct} is cut short`, message.start);
}

export function u8Of(bytes: Buffer, at: number, length: number): number {
  if (length < 1) throw new NetlinkDecodeError('an attribute should hold one byte', at);
  return bytes[at] ?? 0;
}

export function u16Of(bytes: Buffer, at: number, length: number): number {
  if (length < 2) throw new NetlinkDecodeError('an attribute should hold two bytes', at);
  return u16At(bytes, at);
}

export function u16BEOf(bytes: Buffer, at: number, length: number): number {
  if (length < 2) throw new NetlinkDecodeError('an attribute should hold two bytes', at);
  return bytes.readUInt16BE(at);
}

export function u32Of(bytes: Buffer, at: number, length: number): number {
  if (length < 4) throw new NetlinkDecodeError('an attribute should hold four bytes', at);
  return bytes.readUInt32LE(at);
}

/** Text up to its closing zero. */
export function stringOf(bytes: Buffer, at: number, length: number): string {
  let end = at;
  while (end < at + length && bytes[end] !== 0) end++;
  return bytes.toString('utf8', at, end);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** A hardware address in lower-case colon form; undefined unless it has six bytes. */
export function macOf(bytes: Buffer, at: number, length: number): string | undefined {
  if (length !== 6) return undefined;
  // Built by hand: ten thousand of these are read in one pass over a network.
  return `${HEX[bytes[at] ?? 0]}:${HEX[bytes[at + 1] ?? 0]}:${HEX[bytes[at + 2] ?? 0]}:${HEX[bytes[at + 3] ?? 0]}:${HEX[bytes[at + 4] ?? 0]}:${HEX[bytes[at + 5] ?? 0]}`;
}

function u16At(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}
