import { NetdError } from '#base/errors.ts';
import type { Input } from './core.ts';
import type { Row, RowChange } from './networkdb/rows.ts';
import { type NetworkDbState, rowId } from './networkdb/state.ts';
import { ENDPOINT_TABLE, PEER_TABLE } from './networkdb/table-events.ts';
import {
  decodeEndpoint,
  decodeOverlayPeer,
  type Endpoint,
  encodeEndpoint,
  encodeOverlayPeer,
  type OverlayPeer,
} from './records.ts';
import type { LamportTime } from './wire/networkdb-message.ts';

/** A row with its owner and key, read. */
export interface Owned<T> {
  readonly key: string;
  /** Gossip name of the node it speaks for. */
  readonly owner: string;
  /** Table clock of its last change: of two rows about one thing the later counts. */
  readonly time: LamportTime;
  readonly value: T;
}

/** What tells one state of a row from another. */
export type RowVersion = Pick<Row, 'key' | 'owner' | 'time'>;

/** One network at one moment. Frozen: it never changes, a later one takes its place. */
export interface NetworkSnapshot {
  readonly network: string;
  /** Gossip names of the nodes on it, ourselves included, sorted. */
  readonly nodes: readonly string[];
  readonly endpoints: readonly Owned<Endpoint>[];
  readonly peers: readonly Owned<OverlayPeer>[];
  /** Rows that say nothing we understand: kept and passed on, not acted upon. */
  readonly unreadable: number;
}

export interface NetworkStanding {
  /** Other nodes on the network. */
  readonly others: number;
  /** The first bulk syncs have ended; with no other node there was none. */
  readonly isInSync: boolean;
}

export type WatchListener = (network: string, changes: readonly RowChange[]) => void;

/** Networks and tables for the rest of netd (spec gossip §16). */
export class Tables {
  readonly #state: NetworkDbState;
  readonly #input: (input: Input) => void;
  readonly #listeners = new Set<WatchListener>();

  /** @param input hands an input to the core */
  constructor(state: NetworkDbState, input: (input: Input) => void) {
    this.#state = state;
    this.#input = input;
  }

  /** Puts this node on a network; it hears and keeps the rows of the others from then on. */
  attach(network: string): void {
    checkId('network', network);
    this.#input({ kind: 'attach', network });
  }

  /** Takes this node off a network; its rows there go with it. */
  detach(network: string): void {
    this.#input({ kind: 'detach', network });
  }

  /**
   * Says where an endpoint is and what it answers to. Said again unchanged it does nothing. The one change peers
   * understand is to `disabled`; for anything else use a new endpoint id, as they would take it for nonsense.
   */
  publishEndpoint(network: string, id: string, endpoint: Endpoint): void {
    checkId('endpoint', id);
    const before = this.#publishedValue(network, ENDPOINT_TABLE, id);
    const value = encodeEndpoint(endpoint);
    if (before?.equals(value)) return;
    if (
      before !== undefined &&
      !(endpoint.disabled && before.equals(encodeEndpoint({ ...endpoint, disabled: false })))
    ) {
      throw new NetdError('row-changed', `endpoint ${id} is already published with other contents`, {
        mend: 'withdraw it and publish the new contents under a new endpoint id',
      });
    }
    const as = before === undefined ? 'create' : 'update';
    this.#input({ kind: 'publish', network, table: ENDPOINT_TABLE, key: id, value, as });
  }

  withdrawEndpoint(network: string, id: string): void {
    this.#input({ kind: 'withdraw', network, table: ENDPOINT_TABLE, key: id });
  }

  /** Says on which host an address lives. Never changed: peers take an update of this table for a delete. */
  publishPeer(network: string, id: string, peer: OverlayPeer): void {
    checkId('endpoint', id);
    const before = this.#publishedValue(network, PEER_TABLE, id);
    const value = encodeOverlayPeer(peer);
    if (before?.equals(value)) return;
    if (before !== undefined) {
      throw new NetdError('row-changed', `peer row ${id} is already published with other contents`, {
        mend: 'withdraw it and publish the new contents under a new endpoint id',
      });
    }
    this.#input({ kind: 'publish', network, table: PEER_TABLE, key: id, value, as: 'create' });
  }

  withdrawPeer(network: string, id: string): void {
    this.#input({ kind: 'withdraw', network, table: PEER_TABLE, key: id });
  }

  /** What is known of a network now; undefined if we are not on it. */
  snapshot(network: string): NetworkSnapshot | undefined {
    const own = this.#state.own.get(network);
    if (own === undefined || own.leaving) return undefined;
    const endpoints: Owned<Endpoint>[] = [];
    const peers: Owned<OverlayPeer>[] = [];
    let unreadable = 0;
    for (const row of this.#state.rows.of(network)) {
      if (row.deleted) continue;
      if (row.table === ENDPOINT_TABLE) unreadable += pushRead(endpoints, row, decodeEndpoint(row.value));
      else if (row.table === PEER_TABLE) unreadable += pushRead(peers, row, decodeOverlayPeer(row.value));
    }
    return Object.freeze({
      network,
      nodes: Object.freeze([...(this.#state.rosters.get(network) ?? [])].sort()),
      endpoints: Object.freeze(endpoints),
      peers: Object.freeze(peers),
      unreadable,
    });
  }

  /** The rows of one table of a network as they are now, unread: enough to tell whether anything has changed. */
  *versions(network: string, table: string): Generator<RowVersion, void> {
    const own = this.#state.own.get(network);
    if (own === undefined || own.leaving) return;
    for (const row of this.#state.rows.of(network)) if (row.table === table && !row.deleted) yield row;
  }

  /** How much what is known of a network can be trusted to be all there is; undefined if we are not on it. */
  standing(network: string): NetworkStanding | undefined {
    const own = this.#state.own.get(network);
    if (own === undefined || own.leaving) return undefined;
    const members = this.#state.rosters.get(network)?.size ?? 0;
    return { others: Math.max(0, members - 1), isInSync: own.heard };
  }

  /**
   * Calls `listener` after rows of a network changed, once for each network and step. It should mark, not act.
   * Returns what ends it.
   */
  watch(listener: WatchListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Hands on the changes of one step. */
  changed(changes: readonly RowChange[]): void {
    if (changes.length === 0 || this.#listeners.size === 0) return;
    const byNetwork = Map.groupBy(changes, (change) => change.network);
    for (const [network, some] of byNetwork) for (const listener of this.#listeners) listener(network, some);
  }

  #publishedValue(network: string, table: string, key: string): Buffer | undefined {
    const value = this.#state.published.get(rowId(network, table, key))?.row.value;
    return value === undefined ? undefined : Buffer.from(value);
  }
}

function pushRead<T>(list: Owned<T>[], row: Row, value: T | undefined): 0 | 1 {
  if (value === undefined) return 1;
  list.push(Object.freeze({ key: row.key, owner: row.owner, time: row.time, value: Object.freeze(value) }));
  return 0;
}

/** The reference keeps rows under paths: a slash in an id would make it mix rows up. */
function checkId(what: string, id: string): void {
  if (/^[0-9A-Za-z_.-]{1,255}$/.test(id)) return;
  throw new NetdError('bad-row-id', `${what} id ${JSON.stringify(id)} may hold only letters, digits, ".", "_" and "-"`);
}
