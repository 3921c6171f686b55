/** NetworkDB's messages (spec gossip §13): envelope types and the inner messages as plain values. */
export const ENVELOPE_TYPE = {
  networkEvent: 1,
  tableEvent: 2,
  pushPull: 3,
  bulkSync: 4,
  compound: 5,
  nodeEvent: 6,
} as const;

/** Lamport time: 64 bits, so a bigint. */
export type LamportTime = bigint;

export interface NodeEvent {
  readonly type: 'join' | 'leave';
  /** Network clock. */
  readonly time: LamportTime;
  readonly node: string;
}

export interface NetworkEvent {
  readonly type: 'join' | 'leave';
  /** Network clock. */
  readonly time: LamportTime;
  readonly node: string;
  readonly network: string;
}

export interface TableEvent {
  readonly type: 'create' | 'update' | 'delete';
  /** Table clock. */
  readonly time: LamportTime;
  readonly owner: string;
  readonly network: string;
  readonly table: string;
  readonly key: string;
  readonly value: Uint8Array;
  /** Seconds a tombstone has left; 0 for live rows. */
  readonly residualSec: number;
}

export interface BulkSync {
  /** Table clock of the sender. */
  readonly time: LamportTime;
  /** Asks for the same networks' rows in return. */
  readonly unsolicited: boolean;
  readonly node: string;
  readonly networks: readonly string[];
  /** A compound envelope of table events. */
  readonly payload: Uint8Array;
}

/** One node on one network, as push/pull tells it. */
export interface AttachmentEntry {
  readonly network: string;
  readonly time: LamportTime;
  readonly node: string;
  readonly leaving: boolean;
}

export interface NetworkPushPull {
  readonly time: LamportTime;
  readonly node: string;
  readonly attachments: readonly AttachmentEntry[];
}
