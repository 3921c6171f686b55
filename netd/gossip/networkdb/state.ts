import { BroadcastQueue } from '../broadcast-queue.ts';
import type { Io } from '../io.ts';
import { encodeEnvelope, encodeTableEvent } from '../wire/networkdb-encode.ts';
import type { LamportTime } from '../wire/networkdb-message.ts';
import type { Address } from '../wire/swim-message.ts';
import { TABLE_EVENT_OVERHEAD, TABLE_PACKET_OVERHEAD } from './constants.ts';
import { LamportClock } from './lamport.ts';
import { type Attachment, type Peer, Roster, type Unaware, type Unheard } from './peers.ts';
import { type Row, type RowChange, Rows } from './rows.ts';
import { Slab } from './slab.ts';

/** A network we are on, or were on until lately. */
export interface OwnNetwork {
  time: LamportTime;
  leaving: boolean;
  reapAtMs: number;
  /** False while the first bulk syncs run: what they bring is not news to pass on. */
  inSync: boolean;
  /** Somebody on it has sent us its rows, all of them: what we know is what the others know. */
  heard: boolean;
  /** Until then our attachment may be unknown to some who get our rows. */
  freshUntilMs: number;
  /** When somebody last asked us about it, giving us its own rows. */
  askedAtMs: number;
  /** When to look whether somebody else is on it; never again after somebody could be asked. */
  lookAtMs: number;
  /** Our own events; they go first. */
  readonly own: BroadcastQueue;
  /** Events of others that we pass on. */
  readonly relayed: BroadcastQueue;
}

export interface NetworkDbConfig {
  readonly name: string;
  readonly address: Address;
  readonly packetBytes: number;
}

/** How a row of ours was last written: what we say again must be said the same way (spec gossip §16). */
export type WriteKind = 'create' | 'update';

/** All that NetworkDB remembers. The functions beside this file each own a part of what changes it. */
export interface NetworkDbState {
  readonly config: NetworkDbConfig;
  readonly io: Io;
  readonly networkClock: LamportClock;
  readonly tableClock: LamportClock;
  readonly peers: Map<string, Peer>;
  /** The newest peer at an address: a second name there means that the first process is gone. */
  readonly latestAt: Map<string, string>;
  /** Other nodes' attachments: node, then network. */
  readonly attachments: Map<string, Map<string, Attachment>>;
  /** Who is on a network, ourselves included. */
  readonly rosters: Map<string, Roster>;
  readonly own: Map<string, OwnNetwork>;
  readonly rows: Rows;
  /** When rows whose last change came as an update had it. */
  readonly updatedAtMs: WeakMap<Row, number>;
  /** Where the values of rows are kept. */
  readonly slab: Slab;
  /** Our rows as the rest of netd wants them, under `rowId`, whatever happened to them in the tables. */
  readonly published: Map<string, { readonly row: Omit<PublishedRow, 'kind'>; readonly kind: WriteKind }>;
  /** Rows of ours that others have written over and that we are about to take back. */
  readonly reclaiming: Set<string>;
  readonly networkQueue: BroadcastQueue;
  readonly nodeQueue: BroadcastQueue;
  readonly counters: Counters;
  /** By name, nodes that seem to be on networks of ours without our having heard of it. */
  readonly unheard: Map<string, Unheard>;
  /** Names of nodes to ask what networks they are on. */
  readonly toAsk: Set<string>;
  /** By name, nodes that may not have heard that we are on networks of theirs. */
  readonly unaware: Map<string, Unaware>;
  /** Ourselves included. */
  activePeers: number;
  /** No attachment has ended long enough ago to be forgotten before this. */
  reapAttachmentsAtMs: number;
  /** Node events queued so far: each needs a key of its own. */
  nodeEvents: number;
  /** Time of our LEAVE event, once we have said it. */
  leaveTime: LamportTime | undefined;
}

export interface PublishedRow {
  readonly network: string;
  readonly table: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly kind: WriteKind;
}

/** What happened that nobody needs to hear about one by one. */
export interface Counters {
  tableEventsApplied: number;
  tableEventsStale: number;
  rowsRefused: number;
  oversizeEvents: number;
  bulkSyncsSent: number;
  bulkSyncsReceived: number;
}

export function createNetworkDbState(
  config: NetworkDbConfig,
  io: Io,
  rowChanged: (change: RowChange) => void,
): NetworkDbState {
  return {
    config,
    io,
    networkClock: new LamportClock(),
    tableClock: new LamportClock(),
    peers: new Map(),
    latestAt: new Map(),
    attachments: new Map(),
    rosters: new Map(),
    own: new Map(),
    rows: new Rows(rowChanged),
    updatedAtMs: new WeakMap(),
    slab: new Slab(),
    published: new Map(),
    reclaiming: new Set(),
    networkQueue: new BroadcastQueue(),
    nodeQueue: new BroadcastQueue(),
    counters: {
      tableEventsApplied: 0,
      tableEventsStale: 0,
      rowsRefused: 0,
      oversizeEvents: 0,
      bulkSyncsSent: 0,
      bulkSyncsReceived: 0,
    },
    unheard: new Map(),
    toAsk: new Set(),
    unaware: new Map(),
    activePeers: 1,
    reapAttachmentsAtMs: Number.POSITIVE_INFINITY,
    nodeEvents: 0,
    leaveTime: undefined,
  };
}

/** One string for one row. NUL cannot be in what we publish, and a collision among strangers' rows costs nothing. */
export function rowId(network: string, table: string, key: string): string {
  return `${network}\0${table}\0${key}`;
}

/** Failed and left nodes that are remembered. */
export function goneCount({ peers, activePeers }: NetworkDbState): number {
  return peers.size - (activePeers - 1);
}

export function rosterOf(state: NetworkDbState, network: string): Roster {
  let roster = state.rosters.get(network);
  if (roster === undefined) {
    roster = new Roster();
    state.rosters.set(network, roster);
  }
  return roster;
}

export function leaveRoster(state: NetworkDbState, network: string, node: string): void {
  const roster = state.rosters.get(network);
  roster?.delete(node);
  if (roster?.size === 0) state.rosters.delete(network);
}

/** Queues an event about a row for its network's members. What is too large for a packet travels by bulk sync only. */
export function queueRow(state: NetworkDbState, row: Row, kind: WriteKind, own: boolean): void {
  const type = row.deleted ? 'delete' : kind;
  const event = encodeTableEvent({ ...row, type, residualSec: residualSec(state, row) });
  queueTableEvent(state, row, encodeEnvelope('tableEvent', event), own);
}

export function queueTableEvent(
  state: NetworkDbState,
  row: Pick<Row, 'network' | 'table' | 'key'>,
  envelope: Buffer,
  own: boolean,
): void {
  const network = state.own.get(row.network);
  if (network === undefined) return;
  const key = rowId('', row.table, row.key);
  (own ? network.relayed : network.own).delete(key);
  const room = state.config.packetBytes - TABLE_PACKET_OVERHEAD - TABLE_EVENT_OVERHEAD;
  if (envelope.length > room) {
    network.own.delete(key);
    network.relayed.delete(key);
    state.counters.oversizeEvents++;
    return;
  }
  (own ? network.own : network.relayed).put(key, envelope);
}

/** Seconds a tombstone has left, at least one: none would mean "an old peer, use the whole half hour". */
export function residualSec(state: NetworkDbState, row: Row): number {
  return row.deleted ? Math.max(1, Math.floor((row.reapAtMs - state.io.nowMs) / 1000)) : 0;
}
