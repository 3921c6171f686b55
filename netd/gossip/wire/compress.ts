import { ByteWriter } from './byte-writer.ts';
import { DecodeError } from './decode-error.ts';
import { lzwDecode, lzwDecodeSteps } from './lzw-decode.ts';
import { lzwEncode, lzwEncodeSteps } from './lzw-encode.ts';
import { MsgpackReader } from './msgpack-read.ts';
import { writeBytes, writeMapHeader, writeText, writeUint } from './msgpack-write.ts';
import { SwimFields } from './swim-fields.ts';
import { MESSAGE_TYPE } from './swim-message.ts';

const ALGORITHM_LZW = 0;

/** `bytes` as a compress message (spec gossip §7.3). It may well be longer than what went in. */
export function compress(bytes: Uint8Array): Buffer {
  return compressMessage(lzwEncode(bytes));
}

/** The same with a pause every few milliseconds. */
export function* compressSteps(bytes: Uint8Array): Generator<void, Buffer> {
  return compressMessage(yield* lzwEncodeSteps(bytes));
}

function compressMessage(packed: Buffer): Buffer {
  const out = new ByteWriter(packed.length + 20);
  out.u8(MESSAGE_TYPE.compress);
  writeMapHeader(out, 2);
  writeText(out, 'Algo');
  writeUint(out, ALGORITHM_LZW);
  writeText(out, 'Buf');
  writeBytes(out, packed);
  return out.take();
}

/** What a compress message holds, of which at most `limitBytes` are made. Never empty: empty content crashes peers. */
export function decompress(message: Buffer, limitBytes: number): Buffer {
  return notEmpty(lzwDecode(packedBytes(message), limitBytes));
}

/** The same with a pause every quarter megabyte. */
export function* decompressSteps(message: Buffer, limitBytes: number): Generator<void, Buffer> {
  return notEmpty(yield* lzwDecodeSteps(packedBytes(message), limitBytes));
}

function packedBytes(message: Buffer): Buffer {
  const fields = new SwimFields(new MsgpackReader(message, 1));
  if (fields.Algo !== ALGORITHM_LZW) throw new DecodeError(`unknown compression ${fields.Algo}`, 1);
  return fields.Buf;
}

function notEmpty(bytes: Buffer): Buffer {
  if (bytes.length === 0) throw new DecodeError('compressed nothing', 0);
  return bytes;
}
