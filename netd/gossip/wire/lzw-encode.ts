// LZW as Go's compress/lzw writes it with LSB order and 8-bit literals (spec gossip §7.3), byte for byte.

const CLEAR = 256;
const END = 257;
const FIRST_WIDTH = 9;
const LAST_CODE = 4095;

/** Slots of the string table: a power of two, four times the codes it can hold, so that probing stays short. */
const SLOTS = 1 << 14;
const SLOT_MASK = SLOTS - 1;
/** A slot holds a generation above the 20 bits of its key, so that a reset is one increment and not 64 kB of zeros. */
const KEY_BITS = 20;
const LAST_GENERATION = 0xfff;
const slotKeys = new Uint32Array(SLOTS);
const slotCodes = new Uint16Array(SLOTS);
let generation = 0;

/** Compresses `input`. */
export function lzwEncode(input: Uint8Array): Buffer {
  // At most 12 bits a byte, plus the clear and end codes: a clear code comes once in 3838 codes.
  const out = Buffer.allocUnsafe(Math.ceil(input.length * 1.51) + 16);
  let length = 0;
  let bits = 0;
  let bitCount = 0;
  let hi = END;
  let width = FIRST_WIDTH;
  let overflow = 1 << FIRST_WIDTH;
  nextGeneration();

  const emit = (code: number): void => {
    bits |= code << bitCount;
    bitCount += width;
    while (bitCount >= 8) {
      out[length++] = bits & 0xff;
      bits >>>= 8;
      bitCount -= 8;
    }
  };
  /** Makes the next code; false when the codes ran out and everything starts again. */
  const advance = (): boolean => {
    hi++;
    if (hi === overflow) {
      width++;
      overflow <<= 1;
    }
    if (hi !== LAST_CODE) return true;
    emit(CLEAR);
    hi = END;
    width = FIRST_WIDTH;
    overflow = 1 << FIRST_WIDTH;
    nextGeneration();
    return false;
  };

  emit(CLEAR);
  let code: number | undefined = input[0];
  if (code !== undefined) {
    for (let i = 1; i < input.length; i++) {
      const byte = input[i] ?? 0;
      const key: number = ((generation << KEY_BITS) | (code << 8) | byte) >>> 0;
      let slot = Math.imul(key, 0x9e37_79b1) >>> 18;
      let held = slotKeys[slot] ?? 0;
      while (held !== key && held >>> KEY_BITS === generation) {
        slot = (slot + 1) & SLOT_MASK;
        held = slotKeys[slot] ?? 0;
      }
      if (held === key) {
        code = slotCodes[slot] ?? 0;
        continue;
      }
      emit(code);
      code = byte;
      if (advance()) {
        slotKeys[slot] = key;
        slotCodes[slot] = hi;
      }
    }
    emit(code);
    advance();
  }
  emit(END);
  if (bitCount > 0) out[length++] = bits & 0xff;
  return out.subarray(0, length);
}

function nextGeneration(): void {
  generation++;
  if (generation <= LAST_GENERATION) return;
  slotKeys.fill(0);
  generation = 1;
}
