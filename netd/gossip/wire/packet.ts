import assert from 'node:assert/strict';
import { decodeCompound } from './compound.ts';
import { compress, decompress } from './compress.ts';
import { crc32 } from './crc32.ts';
import { DecodeError } from './decode-error.ts';
import { open, seal } from './seal.ts';
import { MESSAGE_TYPE } from './swim-message.ts';

/** Wrappers inside wrappers: the reference never goes beyond CRC, compress, compound; four leaves room (§7.1, §7.3). */
const MAX_DEPTH = 4;
/** The most a datagram may decompress to, all its parts together (spec gossip §7.3). */
const MAX_PACKET_BYTES = 1024 * 1024;
const CRC_HEADER_BYTES = 5;

/**
 * A datagram as it goes on the wire: compressed if that is shorter, checksummed where the reference does so, encrypted
 * (spec gossip §3.1).
 *
 * @param crc true on the paths that know the peer's record (§3.2)
 */
export function sealPacket(message: Uint8Array, crc: boolean, key: Uint8Array, nonce: Uint8Array): Buffer {
  assert(message.length > 0, 'empty packet');
  const packed = compress(message);
  const body = packed.length < message.length ? packed : message;
  return seal(crc ? withCrc(body) : body, key, nonce);
}

/** Decrypts a datagram. Labels, plaintext and strange encryption versions are refused. */
export function openPacket(datagram: Buffer, keys: readonly Uint8Array[]): Buffer {
  if (datagram[0] === MESSAGE_TYPE.hasLabel) throw new DecodeError('labelled packet', 0);
  return open(datagram, keys);
}

/** Counts what a packet's parts still may cost: one budget however they are nested. */
interface Budget {
  inflateBytes: number;
}

/**
 * Hands every plain message of a decrypted packet to `visit`, unwrapped: never a compound, compress or CRC. A bad part
 * goes to `refuse` and the other parts still count.
 */
export function eachMessage(
  packet: Buffer,
  visit: (message: Buffer) => void,
  refuse: (error: DecodeError) => void,
): void {
  try {
    walk(withoutCrc(packet), 0, { inflateBytes: MAX_PACKET_BYTES }, visit, refuse);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    refuse(error);
  }
}

/** Prepends the checksum of everything that follows. */
export function withCrc(body: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(CRC_HEADER_BYTES + body.length);
  out[0] = MESSAGE_TYPE.hasCrc;
  out.writeUInt32BE(crc32(body), 1);
  out.set(body, CRC_HEADER_BYTES);
  return out;
}

/** Checks and removes a checksum; a packet without one passes as it is. */
export function withoutCrc(packet: Buffer): Buffer {
  if (packet[0] !== MESSAGE_TYPE.hasCrc || packet.length < CRC_HEADER_BYTES) return packet;
  const body = packet.subarray(CRC_HEADER_BYTES);
  if (crc32(body) !== packet.readUInt32BE(1)) throw new DecodeError('checksum does not match', 1);
  return body;
}

function walk(
  message: Buffer,
  depth: number,
  budget: Budget,
  visit: (message: Buffer) => void,
  refuse: (error: DecodeError) => void,
): void {
  if (depth > MAX_DEPTH) throw new DecodeError('wrappers nested too deep', 0);
  switch (message[0]) {
    case undefined:
      throw new DecodeError('missing type byte', 0);
    case MESSAGE_TYPE.compound:
      for (const part of decodeCompound(message)) {
        try {
          walk(part, depth + 1, budget, visit, refuse);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
          refuse(error);
        }
      }
      return;
    case MESSAGE_TYPE.compress: {
      const inner = decompress(message, budget.inflateBytes);
      budget.inflateBytes -= inner.length;
      walk(inner, depth + 1, budget, visit, refuse);
      return;
    }
    default:
      visit(message);
  }
}
