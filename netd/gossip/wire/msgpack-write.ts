import type { ByteWriter } from './byte-writer.ts';

// The msgpack dialect of go-msgpack 0.5 (spec gossip §5.1): the old specification, where strings and byte strings share
// one "raw" family. str8 (d9) and bin (c4..c6) are never written: old receivers drop messages that hold them.

/** A map of at most 15 pairs; our largest struct has 8. */
export function writeMapHeader(out: ByteWriter, pairs: number): void {
  out.u8(0x80 | pairs);
}

export function writeNil(out: ByteWriter): void {
  out.u8(0xc0);
}

export function writeBool(out: ByteWriter, value: boolean): void {
  out.u8(value ? 0xc3 : 0xc2);
}

/** A whole number from 0 to 2^53 - 1, in the shortest unsigned form. */
export function writeUint(out: ByteWriter, value: number): void {
  if (value < 0x80) out.u8(value);
  else if (value <= 0xff) {
    out.u8(0xcc);
    out.u8(value);
  } else if (value <= 0xffff) {
    out.u8(0xcd);
    out.u16(value);
  } else if (value <= 0xffff_ffff) {
    out.u8(0xce);
    out.u32(value);
  } else {
    out.u8(0xcf);
    out.u64(BigInt(value));
  }
}

export function writeText(out: ByteWriter, text: string): void {
  writeRawHeader(out, text.length);
  out.latin1(text);
}

export function writeBytes(out: ByteWriter, bytes: Uint8Array): void {
  writeRawHeader(out, bytes.length);
  out.bytes(bytes);
}

function writeRawHeader(out: ByteWriter, length: number): void {
  if (length < 32) out.u8(0xa0 | length);
  else if (length <= 0xffff) {
    out.u8(0xda);
    out.u16(length);
  } else {
    out.u8(0xdb);
    out.u32(length);
  }
}
