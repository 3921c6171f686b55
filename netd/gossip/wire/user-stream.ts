import { ByteWriter } from './byte-writer.ts';
import { DecodeError } from './decode-error.ts';
import { MsgpackReader } from './msgpack-read.ts';
import { writeMapHeader, writeText, writeUint } from './msgpack-write.ts';
import { SwimFields } from './swim-fields.ts';
import { MESSAGE_TYPE } from './swim-message.ts';

/** A user message as TCP carries it: type byte, length header, the bytes (spec gossip §8.4). */
export function encodeUserStream(payload: Uint8Array): Buffer {
  const out = new ByteWriter(32 + payload.length);
  out.u8(MESSAGE_TYPE.user);
  writeMapHeader(out, 1);
  writeText(out, 'UserMsgLen');
  writeUint(out, payload.length);
  out.bytes(payload);
  return out.take();
}

/** The bytes of a user message from TCP: a view into the input. */
export function decodeUserStream(bytes: Buffer): Buffer {
  const reader = new MsgpackReader(bytes, 1);
  const { UserMsgLen: length } = new SwimFields(reader);
  const end = reader.offset + length;
  if (end > bytes.length) throw new DecodeError(`user message of ${length} bytes cut short`, reader.offset);
  return bytes.subarray(reader.offset, end);
}

/** A user message as UDP carries it: the type byte and the bytes. */
export function encodeUserPacket(payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(payload.length + 1);
  out[0] = MESSAGE_TYPE.user;
  out.set(payload, 1);
  return out;
}
