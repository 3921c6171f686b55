import { encodeEnvelope } from '../wire/networkdb-encode.ts';
import type { TableEvent } from '../wire/networkdb-message.ts';
import { BULK_RELAY_QUEUE, MAX_ROWS, TOMBSTONE_MS, TOMBSTONE_RELAY_SEC } from './constants.ts';
import { noteUpdated } from './fresh-updates.ts';
import { reassertIfDisputed, reclaim } from './publish.ts';
import type { Row } from './rows.ts';
import { type NetworkDbState, queueTableEvent } from './state.ts';
import { noteSign } from './unheard.ts';

/**
 * A row of another node, from gossip or from a bulk sync (spec gossip §14.5). The newest time wins; equal times keep what
 * we have; a delete of something unknown is remembered, so that a late create does not bring it back.
 *
 * @param bytes the event as it came, passed on unchanged
 */
export function onTableEvent(state: NetworkDbState, event: TableEvent, bytes: Buffer, bulk: boolean): void {
  if (event.owner === state.config.name) {
    if (bulk) reassertIfDisputed(state, event);
    return;
  }
  if (!state.tableClock.witness(event.time)) {
    state.counters.rowsRefused++;
    return;
  }
  const own = state.own.get(event.network);
  const roster = state.rosters.get(event.network);
  if (own === undefined || own.leaving || roster === undefined) return;
  if (!roster.has(event.owner)) {
    // Copies of deleted rows go on after their owner has left the network.
    if (event.type !== 'delete') noteSign(state, event.owner, event.network);
    return;
  }
  const before = state.rows.get(event.network, event.table, event.key);
  if (before !== undefined && before.time >= event.time) {
    state.counters.tableEventsStale++;
    return;
  }
  if (before === undefined && state.rows.size >= MAX_ROWS) {
    if (state.counters.rowsRefused++ === 0) {
      state.io.fact({ kind: 'dropped', what: 'row', reason: `already ${MAX_ROWS} rows` });
    }
    return;
  }
  state.counters.tableEventsApplied++;
  const row = rowOf(state, event, before);
  state.rows.put(row);
  if (event.type === 'update') noteUpdated(state, row);
  if (isWorthRelaying(event, before, bulk) && own.inSync && !(bulk && own.relayed.size > BULK_RELAY_QUEUE)) {
    queueTableEvent(state, row, encodeEnvelope('tableEvent', bytes), false);
  }
  reclaim(state, row);
}

function isWorthRelaying(event: TableEvent, before: Row | undefined, bulk: boolean): boolean {
  if (before !== undefined || event.type !== 'delete') return true;
  return bulk && event.residualSec > TOMBSTONE_RELAY_SEC;
}

function rowOf(state: NetworkDbState, event: TableEvent, before: Row | undefined): Row {
  const deleted = event.type === 'delete';
  // No peer gives a tombstone longer than half an hour; very old ones say nothing and mean that.
  const lifeMs = event.residualSec === 0 ? TOMBSTONE_MS : Math.min(event.residualSec * 1000, TOMBSTONE_MS);
  return {
    // Strings already kept are shared: a hundred thousand rows name the same few networks, tables and owners.
    network: before?.network ?? event.network,
    table: before?.table ?? sharedTable(event.table),
    key: before?.key ?? event.key,
    owner: state.peers.get(event.owner)?.name ?? event.owner,
    time: event.time,
    // A copy: the event's value is a view into a whole packet.
    value: state.slab.keep(event.value),
    deleted,
    reapAtMs: deleted ? state.io.nowMs + lifeMs : Number.POSITIVE_INFINITY,
  };
}

/** The two tables every Docker node fills. */
export const ENDPOINT_TABLE = 'endpoint_table';
export const PEER_TABLE = 'overlay_peer_table';

function sharedTable(table: string): string {
  if (table === ENDPOINT_TABLE) return ENDPOINT_TABLE;
  return table === PEER_TABLE ? PEER_TABLE : table;
}
