import { randomBytes } from 'node:crypto';

/** Length of a SwarmKit object id: 128 random bits in base 36. */
export const SWARM_ID_LENGTH = 25;

/** A new random id in SwarmKit's form: 25 characters of `0-9a-z` (spec swarmkit-worker §0.3). */
export function newSwarmId(bytes: Uint8Array = randomBytes(16)): string {
  return bytesToBase36(bytes).padStart(SWARM_ID_LENGTH, '0');
}

/** Bytes as one big-endian unsigned integer in lower-case base 36, without padding. */
export function bytesToBase36(bytes: Uint8Array): string {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`).toString(36);
}
