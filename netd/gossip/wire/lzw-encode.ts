// LZW as Go's compress/lzw writes it with LSB order and 8-bit literals (spec gossip §7.3), byte for byte.

const CLEAR = 256;
const END = 257;
const FIRST_WIDTH = 9;
const LAST_CODE = 4095;
/** Input between two pauses: about two milliseconds of work. */
const STEP_BYTES = 64 * 1024;

/** Slots of the string table: a power of two, four times the codes it can hold, so that probing stays short. */
const SLOTS = 1 << 14;
const SLOT_MASK = SLOTS - 1;
/** A slot holds a generation above the 20 bits of its key, so that a reset is one increment and not 64 kB of zeros. */
const KEY_BITS = 20;
const LAST_GENERATION = 0xfff;

/** Which code stands for which code and byte. */
class StringTable {
  readonly keys = new Uint32Array(SLOTS);
  readonly codes = new Uint16Array(SLOTS);
  generation = 0;

  reset(): void {
    this.generation++;
    if (this.generation <= LAST_GENERATION) return;
    this.keys.fill(0);
    this.generation = 1;
  }
}

/** For what is compressed at once: nothing of it is left behind. */
const sharedTable = new StringTable();

/** Compresses `input`. */
export function lzwEncode(input: Uint8Array): Buffer {
  const encoder = new Encoder(input.length, sharedTable);
  encoder.push(input, 0, input.length);
  return encoder.finish();
}

/** The same in steps, so that a caller with megabytes to compress can let others work in between. */
export function* lzwEncodeSteps(input: Uint8Array): Generator<void, Buffer> {
  if (input.length <= STEP_BYTES) return lzwEncode(input);
  const encoder = new Encoder(input.length, new StringTable());
  for (let from = 0; from < input.length; from += STEP_BYTES) {
    if (from > 0) yield;
    encoder.push(input, from, Math.min(input.length, from + STEP_BYTES));
  }
  return encoder.finish();
}

class Encoder {
  readonly #out: Buffer;
  readonly #table: StringTable;
  #length = 0;
  #bits = 0;
  #bitCount = 0;
  #hi = END;
  #width = FIRST_WIDTH;
  #overflow = 1 << FIRST_WIDTH;
  /** What was read and not yet written; undefined before the first byte. */
  #code: number | undefined;

  constructor(inputBytes: number, table: StringTable) {
    // At most 12 bits a byte, plus the clear and end codes: a clear code comes once in 3838 codes.
    this.#out = Buffer.allocUnsafe(Math.ceil(inputBytes * 1.51) + 16);
    this.#table = table;
    table.reset();
    this.#emit(CLEAR);
  }

  push(input: Uint8Array, from: number, to: number): void {
    const { keys, codes } = this.#table;
    let at = from;
    let code = this.#code ?? input[at++];
    if (code === undefined) return;
    for (; at < to; at++) {
      const byte = input[at] ?? 0;
      const { generation } = this.#table;
      const key: number = ((generation << KEY_BITS) | (code << 8) | byte) >>> 0;
      let slot = Math.imul(key, 0x9e37_79b1) >>> 18;
      let held = keys[slot] ?? 0;
      while (held !== key && held >>> KEY_BITS === generation) {
        slot = (slot + 1) & SLOT_MASK;
        held = keys[slot] ?? 0;
      }
      if (held === key) {
        code = codes[slot] ?? 0;
        continue;
      }
      this.#emit(code);
      code = byte;
      if (this.#advance()) {
        keys[slot] = key;
        codes[slot] = this.#hi;
      }
    }
    this.#code = code;
  }

  finish(): Buffer {
    if (this.#code !== undefined) {
      this.#emit(this.#code);
      this.#advance();
    }
    this.#emit(END);
    if (this.#bitCount > 0) this.#out[this.#length++] = this.#bits & 0xff;
    return this.#out.subarray(0, this.#length);
  }

  #emit(code: number): void {
    this.#bits |= code << this.#bitCount;
    this.#bitCount += this.#width;
    while (this.#bitCount >= 8) {
      this.#out[this.#length++] = this.#bits & 0xff;
      this.#bits >>>= 8;
      this.#bitCount -= 8;
    }
  }

  /** Makes the next code; false when the codes ran out and everything starts again. */
  #advance(): boolean {
    this.#hi++;
    if (this.#hi === this.#overflow) {
      this.#width++;
      this.#overflow <<= 1;
    }
    if (this.#hi !== LAST_CODE) return true;
    this.#emit(CLEAR);
    this.#hi = END;
    this.#width = FIRST_WIDTH;
    this.#overflow = 1 << FIRST_WIDTH;
    this.#table.reset();
    return false;
  }
}
