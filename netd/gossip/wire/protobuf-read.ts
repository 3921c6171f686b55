import { DecodeError } from './decode-error.ts';
import { latin1 } from './intern.ts';

export const WIRE_VARINT = 0;
export const WIRE_64BIT = 1;
export const WIRE_BYTES = 2;
export const WIRE_32BIT = 5;

/**
 * A cursor over a protobuf message, as strict as the generated Go decoders peers use (spec gossip §13): a known field of
 * the wrong wire type, a group, field number 0, a varint beyond ten bytes or a length past the end refuses the message.
 */
export class ProtoReader {
  readonly bytes: Buffer;
  readonly end: number;
  offset: number;
  #wireType = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.offset = 0;
    this.end = bytes.length;
  }

  /** Number of the next field, 0 at the end. */
  next(): number {
    if (this.offset >= this.end) return 0;
    const at = this.offset;
    const tag = this.#varintNumber();
    this.#wireType = tag & 7;
    const field = Math.floor(tag / 8);
    if (field === 0 || field > MAX_FIELD) throw new DecodeError(`field number ${field}`, at);
    return field;
  }

  /** A varint that is compared with small numbers only: enums, flags. */
  small(): number {
    this.#expect(WIRE_VARINT);
    return this.#varintNumber();
  }

  bool(): boolean {
    return this.small() !== 0;
  }

  /** int32: negative numbers come as ten bytes. */
  int32(): number {
    this.#expect(WIRE_VARINT);
    return Number(BigInt.asIntN(32, this.#varint()));
  }

  uint64(): bigint {
    this.#expect(WIRE_VARINT);
    return this.#varint();
  }

  /** A view into the input. */
  range(): Buffer {
    const start = this.#range();
    return this.bytes.subarray(start, this.offset);
  }

  /** Strings here are names and ids: byte strings, kept byte for byte. */
  latin1(): string {
    const start = this.#range();
    return latin1(this.bytes, start, this.offset);
  }

  /** Passes over the field whose tag was just read. */
  skip(): void {
    switch (this.#wireType) {
      case WIRE_VARINT:
        this.#varint();
        return;
      case WIRE_64BIT:
        this.#advance(8);
        return;
      case WIRE_BYTES:
        this.#range();
        return;
      case WIRE_32BIT:
        this.#advance(4);
        return;
      default:
        throw new DecodeError(`wire type ${this.#wireType}`, this.offset);
    }
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw new DecodeError(`wire type ${this.#wireType}`, this.offset);
  }

  /** Moves past a length-delimited field and returns where its content starts. */
  #range(): number {
    this.#expect(WIRE_BYTES);
    const length = this.#varintNumber();
    const start = this.offset;
    this.#advance(length);
    return start;
  }

  #advance(count: number): void {
    if (count > this.end - this.offset) throw new DecodeError(`${count} bytes announced, fewer left`, this.offset);
    this.offset += count;
  }

  /** A varint as a number: exact up to 2^53, merely large beyond, which no length or tag here may be. */
  #varintNumber(): number {
    const first = this.bytes[this.offset];
    if (first !== undefined && first < 0x80) {
      this.offset++;
      return first;
    }
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.bytes[this.offset];
      if (byte === undefined) break;
      this.offset++;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new DecodeError('bad varint', this.offset);
  }

  #varint(): bigint {
    const start = this.offset;
    const value = this.#varintNumber();
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value);
    this.offset = start;
    let exact = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.offset++] ?? 0;
      exact |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, exact);
    }
  }
}

const MAX_VARINT_BYTES = 10;
/** Field numbers have 29 bits. */
const MAX_FIELD = 0x1fff_ffff;
