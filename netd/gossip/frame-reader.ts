import { frameLength } from './wire/frame.ts';
import { release } from './wire/release.ts';

/**
 * Collects the bytes of one frame. It keeps what came and no more: a length is a claim until its bytes are there. The
 * chunks are its own: it releases them.
 */
export class FrameReader {
  readonly #chunks: Buffer[] = [];
  #received = 0;
  #expected: number | undefined;

  get receivedBytes(): number {
    return this.#received;
  }

  /** Adds bytes; returns the frame once it is whole. Throws DecodeError if these bytes cannot be one. */
  push(chunk: Buffer): Buffer | undefined {
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    if (this.#expected === undefined) {
      const start = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
      this.#expected = frameLength(start);
    }
    if (this.#expected === undefined || this.#received < this.#expected) return undefined;
    if (this.#chunks.length === 1) return chunk.subarray(0, this.#expected);
    const frame = Buffer.concat(this.#chunks).subarray(0, this.#expected);
    for (const part of this.#chunks.splice(0)) release(part);
    return frame;
  }
}
