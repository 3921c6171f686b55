import { retransmitLimit } from '../swim/timing.ts';
import { encodeCompoundEnvelope, encodeEnvelope, encodeNetworkEvent } from '../wire/networkdb-encode.ts';
import { encodeUserPacket } from '../wire/user-stream.ts';
import { GOSSIP_FANOUT, TABLE_EVENT_OVERHEAD, TABLE_PACKET_OVERHEAD } from './constants.ts';
import type { OwnNetwork } from './state.ts';
import { type NetworkDbState, rosterOf } from './state.ts';

/** Share of a packet our own events leave to those of others while both are waiting. */
const RELAY_SHARE = 1 / 4;
/**
 * Packets for one network in one round. The reference sends one, so that a service of a thousand tasks takes ten minutes;
 * sixteen to three peers are 240 packets a second in all, far below what makes a peer's queue of 1024 overflow.
 */
const MAX_PACKETS = 16;

/** Tells three members of each of our networks what is new there (spec gossip §14.11). */
export function tableGossipTick(state: NetworkDbState): void {
  for (const [network, own] of state.own) {
    for (let packets = 0; packets < MAX_PACKETS && own.own.size + own.relayed.size > 0; packets++) {
      if (!gossipOnce(state, network, own)) break;
    }
  }
}

/** One packet to up to three members; false when there is nobody to tell, which must not use events up. */
function gossipOnce(state: NetworkDbState, network: string, own: OwnNetwork): boolean {
  const roster = state.rosters.get(network);
  if (roster === undefined) return false;
  const isTarget = (name: string) => state.peers.get(name)?.status === 'active';
  const targets = roster.deal(GOSSIP_FANOUT, state.io.random, isTarget);
  if (targets.length === 0) return false;
  const envelopes = takeEvents(state, network, own);
  if (envelopes.length === 0) return false;
  const message = encodeUserPacket(encodeCompoundEnvelope(envelopes));
  for (const name of targets) {
    const peer = state.peers.get(name);
    if (peer !== undefined) state.io.packet(peer.address, message, true);
  }
  return true;
}

function takeEvents(state: NetworkDbState, network: string, own: OwnNetwork): Buffer[] {
  const limit = retransmitLimit(rosterOf(state, network).size);
  let room = state.config.packetBytes - TABLE_PACKET_OVERHEAD;
  const envelopes: Buffer[] = [];
  const isFresh = !own.leaving && state.io.nowMs < own.freshUntilMs;
  if (isFresh && own.own.size > 0) {
    // Whoever has not heard of our attachment drops our rows; in a compound order is kept, so say it first.
    const event = { type: 'join', time: own.time, node: state.config.name, network } as const;
    const attachment = encodeEnvelope('networkEvent', encodeNetworkEvent(event));
    const cost = attachment.length + TABLE_EVENT_OVERHEAD;
    if (cost < room / 2) {
      envelopes.push(attachment);
      room -= cost;
    }
  }
  const forOwn = own.relayed.size > 0 ? Math.floor(room * (1 - RELAY_SHARE)) : room;
  const ours = own.own.take(TABLE_EVENT_OVERHEAD, forOwn, limit);
  for (const event of ours) room -= event.length + TABLE_EVENT_OVERHEAD;
  const theirs = own.relayed.take(TABLE_EVENT_OVERHEAD, room, limit);
  if (ours.length + theirs.length === 0) {
    // A large event of ours may fit only without the share of others.
    const alone = own.own.take(TABLE_EVENT_OVERHEAD, state.config.packetBytes - TABLE_PACKET_OVERHEAD, limit);
    return alone.slice(0);
  }
  envelopes.push(...ours, ...theirs);
  return envelopes;
}
