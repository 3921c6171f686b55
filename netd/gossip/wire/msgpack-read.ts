import { DecodeError } from './decode-error.ts';
import { latin1 } from './intern.ts';

/** How deep an ignored value may nest: the structs themselves are flat, so anything deep is an attack on the stack. */
const MAX_DEPTH = 16;
/** How many items a map or array may announce: the largest struct has 8 fields; the rest is room for later versions. */
const MAX_ITEMS = 64;

/**
 * Reads the msgpack peers send (spec gossip §5.2): what go-msgpack 0.5 and v2 write, which is more than we write. Every
 * length is checked against what is left before it is used.
 */
export class MsgpackReader {
  readonly bytes: Buffer;
  offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
  }

  /** Number of pairs of a map. Nil counts as a map without pairs: an all-zero struct. */
  mapHeader(): number {
    const at = this.offset;
    const tag = this.#u8();
    let count: number;
    if (tag >= 0x80 && tag <= 0x8f) count = tag & 0x0f;
    else if (tag === 0xde) count = this.#uint(2);
    else if (tag === 0xdf) count = this.#uint(4);
    else if (tag === 0xc0) count = 0;
    else throw new DecodeError(`expected a map, found byte ${tag}`, at);
    if (count > MAX_ITEMS) throw new DecodeError(`map of ${count} pairs`, at);
    return count;
  }

  /** A string. The bin family is accepted, although class A receivers refuse it here. */
  text(): string {
    const at = this.offset;
    const length = this.#rawLength(this.#u8(), at);
    if (length === undefined) return '';
    const start = this.#advance(length);
    return latin1(this.bytes, start, start + length);
  }

  /** A byte string: a view into the input, not a copy. Nil reads as empty. An array of small numbers is accepted. */
  raw(): Buffer {
    const at = this.offset;
    const tag = this.#u8();
    if ((tag & 0xf0) === 0x90 || tag === 0xdc || tag === 0xdd) return this.#byteArray(tag, at);
    const length = this.#rawLength(tag, at);
    if (length === undefined) return this.bytes.subarray(0, 0);
    const start = this.#advance(length);
    return this.bytes.subarray(start, start + length);
  }

  bool(): boolean {
    const at = this.offset;
    const tag = this.#u8();
    if (tag === 0xc2 || tag === 0xc0 || tag === 0x00) return false;
    if (tag === 0xc3 || tag === 0x01) return true;
    throw new DecodeError(`expected a boolean, found byte ${tag}`, at);
  }

  /** A whole number in [0, max]; signed encodings of such a number are fine. Nil reads as zero. */
  uint(max: number): number {
    const at = this.offset;
    const value = this.#integer(this.#u8(), at);
    if (value < 0 || value > max) throw new DecodeError(`number ${value} outside 0..${max}`, at);
    return value;
  }

  /** Passes over one value of any type. */
  skip(depth = 0): void {
    if (depth > MAX_DEPTH) throw new DecodeError('values nested too deep', this.offset);
    const at = this.offset;
    const tag = this.#u8();
    const items = this.#itemCount(tag);
    if (items > MAX_ITEMS * 2) throw new DecodeError(`container of ${items} items`, at);
    for (let i = 0; i < items; i++) this.skip(depth + 1);
    if (items === 0) this.#advance(this.#payloadBytes(tag, at));
  }

  /** How many values a container holds; 0 for everything else. */
  #itemCount(tag: number): number {
    if (tag >= 0x80 && tag <= 0x8f) return (tag & 0x0f) * 2;
    if (tag >= 0x90 && tag <= 0x9f) return tag & 0x0f;
    if (tag === 0xdc) return this.#uint(2);
    if (tag === 0xdd) return this.#uint(4);
    if (tag === 0xde) return this.#uint(2) * 2;
    if (tag === 0xdf) return this.#uint(4) * 2;
    return 0;
  }

  /** How many bytes follow the tag of anything but a filled container. */
  #payloadBytes(tag: number, at: number): number {
    if (tag <= 0x9f || (tag >= 0xdc && tag <= 0xdf) || tag >= 0xe0 || tag === 0xc2 || tag === 0xc3) return 0;
    const fixed = FIXED_SIZES.get(tag);
    if (fixed !== undefined) return fixed;
    // ext 8, 16, 32: a length, a type byte, the bytes.
    if (tag >= 0xc7 && tag <= 0xc9) return this.#uint(1 << (tag - 0xc7)) + 1;
    return this.#rawLength(tag, at) ?? 0;
  }

  #byteArray(tag: number, at: number): Buffer {
    const count = tag === 0xdc ? this.#uint(2) : tag === 0xdd ? this.#uint(4) : tag & 0x0f;
    if (count > MAX_ITEMS) throw new DecodeError(`byte array of ${count} items`, at);
    const bytes = Buffer.alloc(count);
    for (let i = 0; i < count; i++) bytes[i] = this.uint(0xff);
    return bytes;
  }

  /** Length of a raw value, undefined for nil. */
  #rawLength(tag: number, at: number): number | undefined {
    if (tag >= 0xa0 && tag <= 0xbf) return tag & 0x1f;
    switch (tag) {
      case 0xc0:
        return undefined;
      case 0xc4:
      case 0xd9:
        return this.#uint(1);
      case 0xc5:
      case 0xda:
        return this.#uint(2);
      case 0xc6:
      case 0xdb:
        return this.#uint(4);
      default:
        throw new DecodeError(`expected bytes, found byte ${tag}`, at);
    }
  }

  #integer(tag: number, at: number): number {
    if (tag <= 0x7f) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0:
        return 0;
      case 0xcc:
        return this.#uint(1);
      case 0xcd:
        return this.#uint(2);
      case 0xce:
        return this.#uint(4);
      case 0xcf: {
        const start = this.#advance(8);
        return Number(this.bytes.readBigUInt64BE(start));
      }
      case 0xd0:
        return this.bytes.readInt8(this.#advance(1));
      case 0xd1:
        return this.bytes.readInt16BE(this.#advance(2));
      case 0xd2:
        return this.bytes.readInt32BE(this.#advance(4));
      case 0xd3:
        return Number(this.bytes.readBigInt64BE(this.#advance(8)));
      default:
        throw new DecodeError(`expected a number, found byte ${tag}`, at);
    }
  }

  #u8(): number {
    const value = this.bytes[this.offset];
    if (value === undefined) throw new DecodeError('value cut short', this.offset);
    this.offset++;
    return value;
  }

  #uint(size: number): number {
    return this.bytes.readUIntBE(this.#advance(size), size);
  }

  /** Moves past `length` bytes and returns where they start. */
  #advance(length: number): number {
    const start = this.offset;
    if (length > this.bytes.length - start) throw new DecodeError(`${length} bytes announced, fewer left`, start);
    this.offset = start + length;
    return start;
  }
}

/** Bytes that follow the tag of floats, integers and fixed ext values. */
const FIXED_SIZES: ReadonlyMap<number, number> = new Map([
  [0xca, 4],
  [0xcb, 8],
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
  [0xd4, 2],
  [0xd5, 3],
  [0xd6, 5],
  [0xd7, 9],
  [0xd8, 17],
]);
