import { encodeCompounds } from '../wire/compound.ts';
import { SEAL_OVERHEAD } from '../wire/seal.ts';
import type { Address } from '../wire/swim-message.ts';
import { encodeUserPacket } from '../wire/user-stream.ts';
import type { SwimState } from './state.ts';
import { transmitBudget } from './timing.ts';

/** A compound's own header, and each part's length. */
const COMPOUND_HEADER_BYTES = 2;
const PART_BYTES = 2;
/** A user message inside a compound also costs its type byte. */
const USER_PART_BYTES = 3;

/** Sends `message` with as much gossip as fits beside it (spec gossip §3.3). */
export function sendWithGossip(state: SwimState, to: Address, message: Buffer): void {
  const available = state.config.packetBytes - message.length - COMPOUND_HEADER_BYTES - SEAL_OVERHEAD;
  const extras = takeGossip(state, available - PART_BYTES);
  sendParts(state, to, [message, ...extras], false);
}

/** Messages to pass on in one packet of at most `availableBytes`: about members first, then NetworkDB's. */
export function takeGossip(state: SwimState, availableBytes: number): Buffer[] {
  if (availableBytes <= PART_BYTES) return [];
  const taken = state.queue.take(PART_BYTES, availableBytes, transmitBudget(state.members.size));
  let left = availableBytes;
  for (const message of taken) left -= message.length + PART_BYTES;
  if (left <= USER_PART_BYTES) return taken;
  for (const user of state.delegate.broadcasts(USER_PART_BYTES, left)) taken.push(encodeUserPacket(user));
  return taken;
}

/** One message goes bare, several as compounds. */
export function sendParts(state: SwimState, to: Address, parts: readonly Buffer[], crc: boolean): void {
  const [only] = parts;
  if (only === undefined) return;
  if (parts.length === 1) state.io.packet(to, only, crc);
  else for (const compound of encodeCompounds(parts)) state.io.packet(to, compound, crc);
}

/** Room for gossip in a packet that carries nothing else. */
export function gossipRoom(state: SwimState): number {
  return state.config.packetBytes - COMPOUND_HEADER_BYTES - SEAL_OVERHEAD;
}
