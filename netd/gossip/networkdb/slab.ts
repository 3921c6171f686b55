/** Small enough that a few long-lived values in it waste little, large enough that its own cost is spread over many. */
const CHUNK_BYTES = 16 * 1024;
/** Larger values get memory of their own. */
const MAX_SHARED_BYTES = CHUNK_BYTES / 8;

/**
 * Keeps copies of values that live long. Node's own pool mixes them with the packets of the moment, so that one kept value
 * of 100 bytes holds 8 kB: a hundred thousand rows took 170 MB there and take 10 MB here.
 */
export class Slab {
  #chunk = Buffer.alloc(0);
  #used = 0;

  keep(bytes: Uint8Array): Buffer {
    if (bytes.length > MAX_SHARED_BYTES) {
      const own = Buffer.allocUnsafeSlow(bytes.length);
      own.set(bytes);
      return own;
    }
    if (this.#used + bytes.length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#used = 0;
    }
    const kept = this.#chunk.subarray(this.#used, this.#used + bytes.length);
    kept.set(bytes);
    this.#used += bytes.length;
    return kept;
  }
}
