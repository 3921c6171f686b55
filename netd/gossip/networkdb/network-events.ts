import { encodeEnvelope, encodeNetworkEvent } from '../wire/networkdb-encode.ts';
import type { NetworkEvent } from '../wire/networkdb-message.ts';
import { DETACHED_MS, MAX_NETWORKS_PER_NODE } from './constants.ts';
import type { Attachment } from './peers.ts';
import { leaveRoster, type NetworkDbState, type OwnNetwork, rosterOf } from './state.ts';
import { noteUnaware } from './unaware.ts';

// Which node is on which network (spec gossip §14.4).

/** A network event from gossip: passed on if it was news. */
export function onNetworkEvent(state: NetworkDbState, event: NetworkEvent, bytes: Buffer): void {
  // A node of the reference that looks for lost peers gives its attachments new times each time: that is news, but no change.
  const wasThere = state.rosters.get(event.network)?.has(event.node) === true;
  if (!applyNetworkEvent(state, event)) return;
  if (event.type === 'join' && !wasThere) noteUnaware(state, event.node, event.network);
  state.networkQueue.put(`${event.network}\0${event.node}`, encodeEnvelope('networkEvent', bytes));
}

/** True if the event was news. */
export function applyNetworkEvent(state: NetworkDbState, event: NetworkEvent): boolean {
  if (!state.networkClock.witness(event.time)) return false;
  if (event.node === state.config.name) return false;
  // Strangers leave no trace here: an attachment needs a node that memberlist knows and holds for alive.
  const peer = state.peers.get(event.node);
  if (peer?.status !== 'active') return false;
  const networks = state.attachments.get(peer.name);
  const known = networks?.get(event.network);
  if (known !== undefined && known.time >= event.time) return false;
  if (known === undefined && (networks?.size ?? 0) >= MAX_NETWORKS_PER_NODE) return false;
  // Ids are shared with what is kept already: thousands of nodes name the same few networks.
  const roster = event.type === 'join' ? rosterOf(state, event.network) : state.rosters.get(event.network);
  const attachment: Attachment = {
    time: event.time,
    leaving: event.type === 'leave',
    reapAtMs: event.type === 'leave' ? state.io.nowMs + DETACHED_MS : Number.POSITIVE_INFINITY,
  };
  state.reapAttachmentsAtMs = Math.min(state.reapAttachmentsAtMs, attachment.reapAtMs);
  if (networks === undefined) state.attachments.set(peer.name, new Map([[event.network, attachment]]));
  else networks.set(event.network, attachment);
  // Whatever older news of it still waits to be passed on would bring it back to those who have not heard this.
  state.networkQueue.delete(`${event.network}\0${event.node}`);
  // The end of something unknown is remembered, so that its late beginning is not believed, but it is no news.
  if (known === undefined && event.type === 'leave') return false;
  if (event.type === 'join') roster?.add(peer.name);
  else {
    leaveRoster(state, event.network, peer.name);
    // Gone without tombstones: while the owner is not attached, no copy of its rows is accepted anyway.
    for (const row of [...state.rows.ownedBy(peer.name)]) if (row.network === event.network) state.rows.drop(row);
  }
  return true;
}

/** Queues news about our own attachment. */
export function announceNetwork(state: NetworkDbState, event: NetworkEvent): void {
  state.networkQueue.put(`${event.network}\0${event.node}`, encodeEnvelope('networkEvent', encodeNetworkEvent(event)));
}

/** Our attachment as an event: whoever has not heard of it drops our rows. In a compound order is kept: it is said first. */
export function introductionOf(state: NetworkDbState, network: string, own: OwnNetwork): Buffer {
  const event = { type: 'join', time: own.time, node: state.config.name, network } as const;
  return encodeEnvelope('networkEvent', encodeNetworkEvent(event));
}

/** Forgets attachments that ended long ago. */
export function reapAttachments(state: NetworkDbState): void {
  const { nowMs } = state.io;
  for (const [network, own] of state.own) if (own.leaving && own.reapAtMs <= nowMs) forgetOwn(state, network);
  if (nowMs < state.reapAttachmentsAtMs) return;
  state.reapAttachmentsAtMs = Number.POSITIVE_INFINITY;
  for (const [node, networks] of state.attachments) {
    for (const [network, { reapAtMs }] of networks) {
      if (reapAtMs <= nowMs) networks.delete(network);
      else state.reapAttachmentsAtMs = Math.min(state.reapAttachmentsAtMs, reapAtMs);
    }
    if (networks.size === 0) state.attachments.delete(node);
  }
}

function forgetOwn(state: NetworkDbState, network: string): void {
  state.own.delete(network);
  for (const row of [...state.rows.of(network)]) state.rows.drop(row);
}
