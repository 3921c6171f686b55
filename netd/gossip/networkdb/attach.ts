import { BroadcastQueue } from '../broadcast-queue.ts';
import { askUntilHeard } from './ask-again.ts';
import type { BulkSyncs } from './bulk-sync.ts';
import { DETACHED_MS } from './constants.ts';
import { announceNetwork } from './network-events.ts';
import { entomb, reassertNetwork } from './publish.ts';
import { leaveRoster, type NetworkDbState, type OwnNetwork, rosterOf } from './state.ts';

// Joining and leaving networks ourselves (spec gossip §14.7, §14.8).

/**
 * Members asked for their rows at once when we attach. The reference asks every one, one after the other; three have the
 * rows, the regular rounds find what they lacked, and a thousand nodes that attach together do not ask a million times.
 */
const ATTACH_PEERS = 3;
/** How long after attaching some members may not know it yet: two rounds of gossip in a large cluster. */
const FRESH_MS = 5000;
/** A network on which we know nobody is asked about after this long, in which the attachments of others may still come. */
const LOOK_AFTER_MS = 1000;
/** After a re-attach, rows are said once more under newer times: a class A peer that heard LEAVE late keeps a tombstone
 *  under the time of the new row (spec gossip §14.9). */
const REASSERT_AFTER_MS = 1000;

/** Puts us on a network: rows of it are kept, ours are told. Attaching twice is nothing. */
export function attach(state: NetworkDbState, bulk: Pick<BulkSyncs, 'syncEach'>, network: string): void {
  const before = state.own.get(network);
  if (before !== undefined && !before.leaving) return;
  const { io, config } = state;
  const own: OwnNetwork = {
    time: state.networkClock.increment(),
    leaving: false,
    reapAtMs: Number.POSITIVE_INFINITY,
    inSync: false,
    heard: false,
    freshUntilMs: io.nowMs + FRESH_MS,
    askedAtMs: Number.NEGATIVE_INFINITY,
    lookAtMs: io.nowMs + LOOK_AFTER_MS,
    // What was queued before is still true, or will be overtaken by newer times.
    own: before?.own ?? new BroadcastQueue(),
    relayed: before?.relayed ?? new BroadcastQueue(),
  };
  state.own.set(network, own);
  rosterOf(state, network).add(config.name);
  announceNetwork(state, { type: 'join', time: own.time, node: config.name, network });
  reassertNetwork(state, network);
  bulk.syncEach([network], ATTACH_PEERS, () => {
    own.inSync = true;
  });
  askUntilHeard(state, bulk, network);
  if (before === undefined) return;
  io.timers.at(io.nowMs + REASSERT_AFTER_MS, () => {
    if (state.own.get(network) === own && !own.leaving) reassertNetwork(state, network);
  });
}

/** Takes us off a network: others' rows are dropped, ours become tombstones that we still answer for. */
export function detach(state: NetworkDbState, network: string): void {
  const own = state.own.get(network);
  if (own === undefined || own.leaving) return;
  const { io, config } = state;
  own.time = state.networkClock.increment();
  own.leaving = true;
  own.reapAtMs = io.nowMs + DETACHED_MS;
  announceNetwork(state, { type: 'leave', time: own.time, node: config.name, network });
  leaveRoster(state, network, config.name);
  for (const row of [...state.rows.of(network)]) {
    if (row.owner !== config.name) state.rows.drop(row);
    else if (!row.deleted) state.rows.put(entomb(state, row));
  }
  for (const [id, { row }] of state.published) if (row.network === network) state.published.delete(id);
}

/** Says all our attachments again, and a moment later all our rows: after peers had given us up and dropped both. */
export function reintroduce(state: NetworkDbState): void {
  const { io, config } = state;
  for (const [network, own] of state.own) {
    if (own.leaving) continue;
    own.time = state.networkClock.increment();
    own.freshUntilMs = io.nowMs + FRESH_MS;
    announceNetwork(state, { type: 'join', time: own.time, node: config.name, network });
  }
  io.timers.at(io.nowMs + REASSERT_AFTER_MS, () => {
    for (const [network, own] of state.own) if (!own.leaving) reassertNetwork(state, network);
  });
}
