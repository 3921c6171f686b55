import assert from 'node:assert/strict';
import { atOnce } from './at-once.ts';
import { compressSteps, decompressSteps } from './compress.ts';
import { DecodeError } from './decode-error.ts';
import { release } from './release.ts';
import { openSteps, SEAL_OVERHEAD, seal } from './seal.ts';
import { MESSAGE_TYPE } from './swim-message.ts';

// A TCP message (spec gossip §8.1): 0a | length u32 | encrypted blob; the header is the additional data.

export const FRAME_HEADER_BYTES = 5;
/** The reference's limit on what a peer may send in one go. */
export const MAX_FRAME_BYTES = 20 * 1024 * 1024;
/** What one frame may decompress to; the reference has no limit and can be made to fill its memory. */
const MAX_STREAM_BYTES = 64 * 1024 * 1024;
/** A compress message in a compress message is legal and never sent. */
const MAX_DEPTH = 4;

export const NOT_ENCRYPTED = 'Encryption is configured but remote state is not encrypted';

/** A message as it goes on a stream: always compressed, even when that is longer, and encrypted. */
export function* sealFrameSteps(message: Uint8Array, key: Uint8Array, nonce: Uint8Array): Generator<void, Buffer> {
  assert(message.length > 0, 'an empty stream message crashes its receiver');
  const plain = yield* compressSteps(message);
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header[0] = MESSAGE_TYPE.encrypt;
  header.writeUInt32BE(plain.length + SEAL_OVERHEAD, 1);
  return Buffer.concat([header, seal(plain, key, nonce, header)]);
}

/** The same at once, for small messages. */
export function sealFrame(message: Uint8Array, key: Uint8Array, nonce: Uint8Array): Buffer {
  return atOnce(sealFrameSteps(message, key, nonce));
}

/** How many bytes the whole frame has, once its five header bytes are there; undefined before that. */
export function frameLength(start: Buffer): number | undefined {
  const type = start[0];
  if (type === undefined) return undefined;
  if (type === MESSAGE_TYPE.hasLabel) throw new LabelError();
  if (type !== MESSAGE_TYPE.encrypt) throw new DecodeError(NOT_ENCRYPTED, 0);
  if (start.length < FRAME_HEADER_BYTES) return undefined;
  const length = start.readUInt32BE(1);
  if (length > MAX_FRAME_BYTES) throw new DecodeError(`Remote node state is larger than limit (${length})`, 1);
  return FRAME_HEADER_BYTES + length;
}

/** Docker's streams carry no label; one that does is closed without an answer (spec gossip §7.5). */
export class LabelError extends DecodeError {
  constructor() {
    super('labelled stream');
  }
}

/**
 * Opens a whole frame in steps: decrypts, decompresses, and returns the plain message with its type byte. What it made on
 * the way is released, the frame is not.
 */
export function* openFrameSteps(frame: Buffer, keys: readonly Uint8Array[]): Generator<void, Buffer> {
  const header = frame.subarray(0, FRAME_HEADER_BYTES);
  let message = yield* openSteps(frame.subarray(FRAME_HEADER_BYTES), keys, { additional: header });
  for (let depth = 0; message[0] === MESSAGE_TYPE.compress; depth++) {
    if (depth >= MAX_DEPTH) throw new DecodeError('compressed too often', 0);
    const packed = message;
    message = yield* decompressSteps(packed, MAX_STREAM_BYTES);
    release(packed);
  }
  if (message.length === 0) throw new DecodeError('empty stream message', 0);
  return message;
}

/** The same at once, for small frames. */
export function openFrame(frame: Buffer, keys: readonly Uint8Array[]): Buffer {
  return atOnce(openFrameSteps(frame, keys));
}
