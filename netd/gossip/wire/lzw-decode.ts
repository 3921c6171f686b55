import { atOnce } from './at-once.ts';
import { DecodeError } from './decode-error.ts';

const CLEAR = 256;
const END = 257;
const FIRST_WIDTH = 9;
const MAX_WIDTH = 12;
/** Below this a loop is quicker than a call to copy. */
const LOOP_BYTES = 24;
/** Whole tables shrink to a fifth. Too little costs a copy, too much nothing: what is not written to takes no memory. */
const EXPECTED_RATIO = 6;
/** Output between two pauses: about a millisecond of work. */
const STEP_BYTES = 256 * 1024;

/** Where in the output each code's string starts, and how long it is. */
class Strings {
  readonly starts = new Uint32Array(1 << MAX_WIDTH);
  readonly lengths = new Uint32Array(1 << MAX_WIDTH);
}

/** For what is decompressed at once: a code is not read before it was written in the same message. */
const shared = new Strings();

/** Decompresses all of `input`, refusing to make more than `limitBytes` of it. */
export function lzwDecode(input: Uint8Array, limitBytes: number): Buffer {
  return atOnce(lzwDecodeSteps(input, limitBytes, shared));
}

/**
 * The same in steps, so that a caller with 20 MiB to open can let others work in between (spec gossip §7.3). What a code
 * stands for is always a stretch of the output already made, so the table keeps where it starts and how long it is.
 */
export function* lzwDecodeSteps(
  input: Uint8Array,
  limitBytes: number,
  { starts, lengths } = new Strings(),
): Generator<void, Buffer> {
  let out: Buffer = Buffer.allocUnsafe(Math.min(limitBytes, Math.max(512, input.length * EXPECTED_RATIO)));
  let length = 0;
  let pauseAt = STEP_BYTES;
  let bits = 0;
  let bitCount = 0;
  let offset = 0;
  let width = FIRST_WIDTH;
  let hi = END;
  let hasLast = false;
  let lastStart = 0;
  let lastLength = 0;

  for (;;) {
    while (bitCount < width) {
      const byte = input[offset++];
      if (byte === undefined) throw new DecodeError('compressed data without an end', input.length);
      bits |= byte << bitCount;
      bitCount += 8;
    }
    const code = bits & ((1 << width) - 1);
    bits >>>= width;
    bitCount -= width;

    if (code === CLEAR) {
      width = FIRST_WIDTH;
      hi = END;
      hasLast = false;
      continue;
    }
    if (code === END) return out.subarray(0, length);
    // The code being made right now is allowed: it is the last string and its own first byte.
    if (code > hi) throw new DecodeError(`compressed code ${code} beyond the table`, offset);
    if (hasLast) {
      starts[hi] = lastStart;
      lengths[hi] = lastLength + 1;
    }
    const size = code < CLEAR ? 1 : (lengths[code] ?? 0);
    if (length + size > limitBytes) throw new DecodeError(`decompresses to more than ${limitBytes} bytes`, offset);
    if (length + size > out.length) out = grown(out, length, Math.min(limitBytes, out.length * 2 + size));
    const from = starts[code] ?? 0;
    if (code < CLEAR) out[length] = code;
    else if (size < LOOP_BYTES) for (let i = 0; i < size; i++) out[length + i] = out[from + i] ?? 0;
    else {
      // All but the last byte is there already; the last is the first again when this is the code being made.
      out.copyWithin(length, from, from + size - 1);
      out[length + size - 1] = out[from + size - 1] ?? 0;
    }
    lastStart = length;
    lastLength = size;
    hasLast = true;
    length += size;

    hi++;
    if (hi === 1 << width) {
      if (width === MAX_WIDTH) {
        hasLast = false;
        hi--;
      } else width++;
    }
    if (length >= pauseAt) {
      pauseAt = length + STEP_BYTES;
      yield;
    }
  }
}

function grown(bytes: Buffer, used: number, size: number): Buffer {
  const bigger = Buffer.allocUnsafe(size);
  bytes.copy(bigger, 0, 0, used);
  return bigger;
}
