import type { Round } from '../broadcast-queue.ts';
import { GOSSIP_FANOUT, tableRounds } from '../swim/timing.ts';
import { encodeCompoundEnvelope } from '../wire/networkdb-encode.ts';
import { encodeUserPacket } from '../wire/user-stream.ts';
import { TABLE_EVENT_OVERHEAD, TABLE_PACKET_OVERHEAD } from './constants.ts';
import { introductionOf } from './network-events.ts';
import type { NetworkDbState, OwnNetwork } from './state.ts';

/** Share of a packet our own events leave to those of others while both are waiting. */
const RELAY_SHARE = 1 / 4;
/**
 * Packets for one network in one round. The reference sends one, so that a service of a thousand tasks takes ten minutes;
 * sixteen to three peers are 240 packets a second in all, far below what makes a peer's queue of 1024 overflow.
 */
const MAX_PACKETS = 16;

/**
 * Tells three members of each of our networks what is new there (spec gossip §14.11). Each busy network has a turn of its
 * own: forty-eight packets to seal and send are five milliseconds.
 */
export function tableGossipTick(state: NetworkDbState): void {
  const busy = [...state.own].filter(([, own]) => own.own.size + own.relayed.size > 0);
  const next = (): void => {
    const first = busy.shift();
    if (first === undefined) return;
    gossipNetwork(state, ...first);
    if (busy.length > 0) state.io.timers.at(state.io.nowMs, next);
  };
  next();
}

interface Rounds {
  readonly own: Round;
  readonly relayed: Round;
}

function gossipNetwork(state: NetworkDbState, network: string, own: OwnNetwork): void {
  const roster = state.rosters.get(network);
  if (roster === undefined) return;
  const isTarget = (name: string) => state.peers.get(name)?.status === 'active';
  const limit = tableRounds(roster.size);
  const rounds: Rounds = { own: own.own.round(limit), relayed: own.relayed.round(limit) };
  for (let packets = 0; packets < MAX_PACKETS; packets++) {
    // With nobody to tell, nothing is taken: events must not be used up.
    const targets = roster.deal(GOSSIP_FANOUT, state.io.random, isTarget);
    const envelopes = targets.length === 0 ? [] : takeEvents(state, network, own, rounds);
    if (envelopes.length === 0) break;
    const message = encodeUserPacket(encodeCompoundEnvelope(envelopes));
    for (const name of targets) {
      const peer = state.peers.get(name);
      if (peer !== undefined) state.io.packet(peer.address, message, true);
    }
  }
  rounds.own.end();
  rounds.relayed.end();
}

/** Events for one packet: our own first, but never all of it while others wait. */
function takeEvents(state: NetworkDbState, network: string, own: OwnNetwork, rounds: Rounds): Buffer[] {
  const room = state.config.packetBytes - TABLE_PACKET_OVERHEAD;
  const introduction = isFresh(state, own) ? introductionOf(state, network, own) : undefined;
  const introductionCost = introduction === undefined ? 0 : introduction.length + TABLE_EVENT_OVERHEAD;
  const forOwn = own.relayed.size > 0 ? Math.floor(room * (1 - RELAY_SHARE)) : room;
  const ours = rounds.own.take(TABLE_EVENT_OVERHEAD, forOwn - introductionCost);
  let left = room - introductionCost;
  for (const event of ours) left -= event.length + TABLE_EVENT_OVERHEAD;
  const theirs = rounds.relayed.take(TABLE_EVENT_OVERHEAD, left);
  // An event of ours may fit only into a packet of its own.
  const events = ours.length + theirs.length > 0 ? [...ours, ...theirs] : rounds.own.take(TABLE_EVENT_OVERHEAD, room);
  return introduction !== undefined && ours.length > 0 ? [introduction, ...events] : events;
}

function isFresh(state: NetworkDbState, own: OwnNetwork): boolean {
  return !own.leaving && state.io.nowMs < own.freshUntilMs && own.own.size > 0;
}
