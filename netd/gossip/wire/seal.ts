import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto';
import { atOnce } from './at-once.ts';
import { DecodeError } from './decode-error.ts';

// memberlist's encryption (spec gossip §7.4): version | nonce | AES-GCM ciphertext | tag.

export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Decrypted between two pauses: a millisecond of work. */
const STEP_BYTES = 1024 * 1024;
const VERSION_NO_PADDING = 1;
const VERSION_PADDED = 0;
const BLOCK_BYTES = 16;
/** What encryption version 1 adds to a message. */
export const SEAL_OVERHEAD = 1 + NONCE_BYTES + TAG_BYTES;
/** Version 0 always pads, so its shortest blob holds one block. */
const MIN_PADDED_BYTES = SEAL_OVERHEAD + BLOCK_BYTES;

const CIPHERS: ReadonlyMap<number, CipherGCMTypes> = new Map<number, CipherGCMTypes>([
  [16, 'aes-128-gcm'],
  [24, 'aes-192-gcm'],
  [32, 'aes-256-gcm'],
]);

/** True if a key of this many bytes can be used at all. */
export function isKeyLength(bytes: number): boolean {
  return CIPHERS.has(bytes);
}

/**
 * Encrypts with encryption version 1 (no padding).
 *
 * @param nonce 12 random bytes, never used twice with a key
 * @param additional authenticated but not sent: empty for datagrams, the frame header for streams
 */
export function seal(plain: Uint8Array, key: Uint8Array, nonce: Uint8Array, additional?: Uint8Array): Buffer {
  const cipher = createCipheriv(cipherOf(key), keyObjectOf(key), nonce, { authTagLength: TAG_BYTES });
  if (additional !== undefined && additional.length > 0) cipher.setAAD(additional);
  const body = cipher.update(plain);
  cipher.final();
  return Buffer.concat([VERSION_BYTE, nonce, body, cipher.getAuthTag()]);
}

const VERSION_BYTE = Buffer.from([VERSION_NO_PADDING]);

export interface OpenOptions {
  readonly additional?: Uint8Array;
  /**
   * Accept encryption version 0 (padded). Off in production: nobody sends it, and as the version byte is not
   * authenticated a bystander could turn a captured blob into it.
   */
  readonly allowPadded?: boolean;
}

/** Decrypts with the first key that fits, in the order given. Throws DecodeError if none does. */
export function open(blob: Buffer, keys: readonly Uint8Array[], options: OpenOptions = {}): Buffer {
  return atOnce(openSteps(blob, keys, options));
}

/** The same with a pause after each megabyte. */
export function* openSteps(
  blob: Buffer,
  keys: readonly Uint8Array[],
  options: OpenOptions = {},
): Generator<void, Buffer> {
  const version = blob[0];
  if (version !== VERSION_NO_PADDING && !(version === VERSION_PADDED && options.allowPadded === true)) {
    throw new DecodeError(`encryption version ${version ?? 'missing'} refused`, 0);
  }
  const least = version === VERSION_PADDED ? MIN_PADDED_BYTES : SEAL_OVERHEAD;
  if (blob.length < least) throw new DecodeError(`encrypted message of ${blob.length} bytes`, 0);
  for (const key of keys) {
    const plain = yield* tryOpen(blob, key, options.additional);
    if (plain === undefined) continue;
    return version === VERSION_PADDED ? withoutPadding(plain) : plain;
  }
  throw new NoKeyError();
}

/** None of our keys opens it: a stranger, or a node too many rotations away. */
export class NoKeyError extends DecodeError {
  constructor() {
    super('No installed keys could decrypt the message');
  }
}

function* tryOpen(
  blob: Buffer,
  key: Uint8Array,
  additional: Uint8Array | undefined,
): Generator<void, Buffer | undefined> {
  const nonce = blob.subarray(1, 1 + NONCE_BYTES);
  const body = blob.subarray(1 + NONCE_BYTES, blob.length - TAG_BYTES);
  const decipher = createDecipheriv(cipherOf(key), keyObjectOf(key), nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(blob.subarray(blob.length - TAG_BYTES));
  if (additional !== undefined && additional.length > 0) decipher.setAAD(additional);
  const plain = body.length <= STEP_BYTES ? decipher.update(body) : yield* updateSteps(decipher, body);
  try {
    decipher.final();
  } catch {
    // The only thing final() can say here is that the tag does not fit this key.
    return undefined;
  }
  return plain;
}

function* updateSteps(decipher: DecipherGCM, body: Buffer): Generator<void, Buffer> {
  const plain = Buffer.allocUnsafe(body.length);
  for (let from = 0; from < body.length; from += STEP_BYTES) {
    if (from > 0) yield;
    plain.set(decipher.update(body.subarray(from, from + STEP_BYTES)), from);
  }
  return plain;
}

/** PKCS#7, checked in full: 1..16 pad bytes, all alike. */
function withoutPadding(plain: Buffer): Buffer {
  const pad = plain[plain.length - 1] ?? 0;
  const end = plain.length - pad;
  if (pad < 1 || pad > BLOCK_BYTES || end < 0 || plain.length % BLOCK_BYTES !== 0) {
    throw new DecodeError('bad padding', plain.length);
  }
  for (let i = end; i < plain.length; i++) if (plain[i] !== pad) throw new DecodeError('bad padding', i);
  return plain.subarray(0, end);
}

/** Keys are few and live for hours; handed over as bytes, each packet would pay for making an object of them again. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

function keyObjectOf(key: Uint8Array): KeyObject {
  let object = keyObjects.get(key);
  if (object === undefined) {
    object = createSecretKey(key);
    keyObjects.set(key, object);
  }
  return object;
}

function cipherOf(key: Uint8Array): CipherGCMTypes {
  const cipher = CIPHERS.get(key.length);
  if (cipher === undefined) throw new RangeError(`no AES key has ${key.length} bytes`);
  return cipher;
}
