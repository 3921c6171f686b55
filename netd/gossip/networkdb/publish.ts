import type { TableEvent } from '../wire/networkdb-message.ts';
import { TOMBSTONE_MS } from './constants.ts';
import { noteUpdated } from './fresh-updates.ts';
import type { Row } from './rows.ts';
import { type NetworkDbState, queueRow, rowId, type WriteKind } from './state.ts';

// Our own rows (spec gossip §14.10): what the rest of netd wants said is kept apart from what the tables hold, so that it
// can be said again when a table disagrees.

/** Between two attempts to take a row back from another node: a war over a row must cost both little. */
const RECLAIM_MS = 1000;

/** Creates a row of ours, or changes its value. `update` only where receivers understand it (see the typed tables). */
export function publish(
  state: NetworkDbState,
  network: string,
  table: string,
  key: string,
  value: Uint8Array,
  kind: WriteKind,
): void {
  const row = { network, table, key, value: state.slab.keep(value) };
  state.published.set(rowId(network, table, key), { row, kind });
  write(state, row, kind);
}

/** Deletes a row of ours. The tombstone carries the last value: receivers read from it what to undo. */
export function withdraw(state: NetworkDbState, network: string, table: string, key: string): void {
  const published = state.published.get(rowId(network, table, key));
  state.published.delete(rowId(network, table, key));
  const row = state.rows.get(network, table, key);
  if (published === undefined || row === undefined || row.deleted || row.owner !== state.config.name) return;
  const tombstone = entomb(state, row);
  state.rows.put(tombstone);
  queueRow(state, tombstone, 'create', true);
}

/** Says all our rows of a network again under new times, as they were last said. */
export function reassertNetwork(state: NetworkDbState, network: string): void {
  for (const { row, kind } of state.published.values()) if (row.network === network) write(state, row, kind);
}

/**
 * A bulk sync brought a row of our own. Gossip is not listened to about ourselves, but a copy kept by a peer would win
 * there over what we said, so we say it again; and a row we no longer have we delete again, since its tombstones may be
 * gone while a copy lives on. A time our own clock has not reached is forged, as the sender's clock came with the sync.
 */
export function reassertIfDisputed(state: NetworkDbState, event: TableEvent): void {
  const { network, table, key, time } = event;
  const own = state.own.get(network);
  const ours = state.rows.get(network, table, key);
  if (own === undefined || own.leaving || time > state.tableClock.time) return;
  if (ours !== undefined && time < ours.time) return;
  const published = state.published.get(rowId(network, table, key));
  if (published !== undefined) {
    const agrees = event.type !== 'delete' && Buffer.compare(event.value, published.row.value) === 0;
    if (!agrees) write(state, published.row, published.kind);
  } else if (event.type !== 'delete' && (ours === undefined || !ours.deleted)) {
    const value = state.slab.keep(event.value);
    const row = { network, table, key, owner: state.config.name, time, value, deleted: false, reapAtMs: 0 };
    const tombstone = entomb(state, row);
    state.rows.put(tombstone);
    queueRow(state, tombstone, 'create', true);
  }
}

/** Another node's newer row lies where ours should be: after a moment, and if it still does, ours goes over it. */
export function reclaim(state: NetworkDbState, row: Row): void {
  // Nearly every row is somebody else's own; the lookup costs a string only where we publish anything.
  if (state.published.size === 0) return;
  const id = rowId(row.network, row.table, row.key);
  if (!state.published.has(id) || state.reclaiming.has(id)) return;
  state.reclaiming.add(id);
  state.io.timers.at(state.io.nowMs + RECLAIM_MS, () => {
    state.reclaiming.delete(id);
    const published = state.published.get(id);
    const now = state.rows.get(row.network, row.table, row.key);
    if (published === undefined || now?.owner === state.config.name) return;
    write(state, published.row, published.kind);
  });
}

/** The tombstone of a row of ours. */
export function entomb(state: NetworkDbState, row: Row): Row {
  const reapAtMs = state.io.nowMs + TOMBSTONE_MS;
  return { ...row, time: state.tableClock.increment(), deleted: true, reapAtMs };
}

function write(state: NetworkDbState, wanted: Pick<Row, 'network' | 'table' | 'key' | 'value'>, kind: WriteKind): void {
  const own = state.own.get(wanted.network);
  if (own === undefined || own.leaving) return;
  const row: Row = {
    ...wanted,
    owner: state.config.name,
    time: state.tableClock.increment(),
    deleted: false,
    reapAtMs: Number.POSITIVE_INFINITY,
  };
  state.rows.put(row);
  if (kind === 'update') noteUpdated(state, row);
  queueRow(state, row, kind, true);
}
