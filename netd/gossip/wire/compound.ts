import assert from 'node:assert/strict';
import { ByteWriter } from './byte-writer.ts';
import { DecodeError } from './decode-error.ts';
import { MESSAGE_TYPE } from './swim-message.ts';

/** The part count is one byte. */
export const MAX_PARTS = 255;
/** Part lengths are two bytes. */
const MAX_PART_BYTES = 0xffff;

/** Compound messages holding all parts in order: one for each 255 (spec gossip §7.1). */
export function encodeCompounds(parts: readonly Uint8Array[]): Buffer[] {
  const compounds: Buffer[] = [];
  for (let first = 0; first < parts.length; first += MAX_PARTS) {
    compounds.push(encodeCompound(parts.slice(first, first + MAX_PARTS)));
  }
  return compounds;
}

function encodeCompound(parts: readonly Uint8Array[]): Buffer {
  const out = new ByteWriter(2 + parts.reduce((sum, part) => sum + 2 + part.length, 0));
  out.u8(MESSAGE_TYPE.compound);
  out.u8(parts.length);
  for (const part of parts) {
    assert(part.length <= MAX_PART_BYTES, `compound part of ${part.length} bytes`);
    out.u16(part.length);
  }
  for (const part of parts) out.bytes(part);
  return out.take();
}

/** The parts of a compound, as views. A part cut short ends the list; the parts before it stand. */
export function decodeCompound(bytes: Buffer): Buffer[] {
  const count = bytes[1];
  if (count === undefined) throw new DecodeError('compound without a count', 1);
  let offset = 2 + 2 * count;
  if (offset > bytes.length) throw new DecodeError(`compound of ${count} parts cut short`, 2);
  const parts: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const end = offset + bytes.readUInt16BE(2 + 2 * i);
    if (end > bytes.length) break;
    parts.push(bytes.subarray(offset, end));
    offset = end;
  }
  return parts;
}
