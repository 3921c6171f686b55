import { randomFillSync } from 'node:crypto';
import { NONCE_BYTES } from './wire/seal.ts';

/** A call of the random source costs as much as sealing a packet, so randomness is drawn for this many nonces at a time. */
const AT_A_TIME = 128;

/** Random nonces, each handed out once. */
export function nonceSource(): () => Buffer {
  const drawn = Buffer.alloc(NONCE_BYTES * AT_A_TIME);
  let used = drawn.length;
  return () => {
    if (used === drawn.length) {
      randomFillSync(drawn);
      used = 0;
    }
    const from = used;
    used += NONCE_BYTES;
    // A copy: what is drawn next comes to the same place.
    return Buffer.from(drawn.subarray(from, used));
  };
}
