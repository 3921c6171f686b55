// Times and sizes of NetworkDB (spec gossip §9, §13.8, §14).

/** How long a tombstone is kept, so that a late copy of the row does not bring it back. */
export const TOMBSTONE_MS = 30 * 60_000;
/** How long a detached network is still told about: five reap rounds more than its tombstones. */
export const DETACHED_MS = TOMBSTONE_MS + 25_000;
export const REAP_PERIOD_MS = 5000;
/** A tombstone is passed on only while it has a good part of its life before it. */
export const TOMBSTONE_RELAY_SEC = 300;
/** How long a failed or left node is remembered. */
export const FORGET_NODE_MS = 24 * 3600_000;
export const BULK_SYNC_INTERVAL_MS = 30_000;
/** An exchange costs each side about 15 µs for each row, and one is served for each begun: two milliseconds for each row
 *  keep both together below two hundredths of a core. */
const BULK_SYNC_MS_PER_ROW = 2;

export const BULK_SYNC_ACK_MS = 30_000;
/** Rows heard by bulk sync are passed on only while the queue is shorter: others get the same bulk sync. */
export const BULK_RELAY_QUEUE = 500;

/** What a compound of table events costs: the packet's own overhead, and each event's. */
export const TABLE_PACKET_OVERHEAD = 5;
export const TABLE_EVENT_OVERHEAD = 4;

/**
 * Rows kept in all networks together: 1 GB at the most. A cluster of 5,000 nodes with 100,000 endpoints has 200,000.
 */
export const MAX_ROWS = 1_000_000;
/** Networks one node may claim to be on; Docker's address pools end far below. */
export const MAX_NETWORKS_PER_NODE = 4096;

/** Time between two regular bulk syncs of ours: the reference's half minute, and longer where there are many rows. */
export function bulkSyncPeriodMs(rows: number): number {
  return Math.max(BULK_SYNC_INTERVAL_MS, rows * BULK_SYNC_MS_PER_ROW);
}
