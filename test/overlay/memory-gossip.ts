import type { RowChange } from '#netd/gossip/networkdb/rows.ts';
import { ENDPOINT_TABLE, PEER_TABLE } from '#netd/gossip/networkdb/table-events.ts';
import {
  decodeEndpoint,
  decodeOverlayPeer,
  type Endpoint,
  encodeEndpoint,
  encodeOverlayPeer,
  type OverlayPeer,
} from '#netd/gossip/records.ts';
import type { NetworkSnapshot, NetworkStanding, Owned, WatchListener } from '#netd/gossip/tables.ts';
import type { OverlayTables } from '#netd/overlay/publisher.ts';

interface MemoryRow {
  readonly network: string;
  readonly table: string;
  readonly key: string;
  readonly owner: string;
  readonly time: bigint;
  readonly value: Buffer;
}

/** Tables that all members see at once: gossip without the wire. */
export class MemoryGossip {
  readonly #members = new Map<string, MemoryTables>();
  readonly rows = new Map<string, MemoryRow>();
  /** What was said, as `node kind key`. */
  readonly said: string[] = [];
  #time = 0n;

  member(name: string): MemoryTables {
    const member = new MemoryTables(name, this);
    this.#members.set(name, member);
    return member;
  }

  members(network: string): MemoryTables[] {
    return [...this.#members.values()].filter(({ networks }) => networks.has(network));
  }

  of(network: string): MemoryRow[] {
    return [...this.rows.values()].filter((row) => row.network === network);
  }

  peer(owner: string, network: string, key: string, peer: OverlayPeer): void {
    this.put(owner, network, PEER_TABLE, key, encodeOverlayPeer(peer));
  }

  put(owner: string, network: string, table: string, key: string, value: Buffer): void {
    this.#time++;
    this.#change([{ network, table, key, owner, time: this.#time, value }], []);
  }

  /** Many rows in one step, as a bulk sync brings them. */
  peers(owner: string, network: string, peers: readonly (readonly [key: string, peer: OverlayPeer])[]): void {
    this.#change(
      peers.map(([key, peer]) => {
        this.#time++;
        return { network, table: PEER_TABLE, key, owner, time: this.#time, value: encodeOverlayPeer(peer) };
      }),
      [],
    );
  }

  remove(network: string, table: string, key: string): void {
    const row = this.rows.get(`${network} ${table} ${key}`);
    if (row !== undefined) this.#change([], [row]);
  }

  /** A node is gone, and its rows with it, for everybody. */
  fail(name: string): void {
    this.#members.delete(name);
    this.#change(
      [],
      [...this.rows.values()].filter(({ owner }) => owner === name),
    );
  }

  #change(puts: readonly MemoryRow[], gone: readonly MemoryRow[]): void {
    const changes: RowChange[] = [];
    const asRow = (row: MemoryRow) => ({ ...row, deleted: false, reapAtMs: Number.POSITIVE_INFINITY });
    for (const row of puts) {
      const id = `${row.network} ${row.table} ${row.key}`;
      const before = this.rows.get(id);
      this.rows.set(id, row);
      changes.push({ ...row, before: before && asRow(before), after: asRow(row) });
    }
    for (const row of gone) {
      this.rows.delete(`${row.network} ${row.table} ${row.key}`);
      changes.push({ ...row, before: asRow(row), after: undefined });
    }
    for (const [network, some] of Map.groupBy(changes, (change) => change.network)) {
      for (const member of this.members(network)) member.tell(network, some);
    }
  }
}

export class MemoryTables implements OverlayTables {
  readonly name: string;
  readonly networks = new Set<string>();
  readonly #gossip: MemoryGossip;
  readonly #listeners = new Set<WatchListener>();

  constructor(name: string, gossip: MemoryGossip) {
    this.name = name;
    this.#gossip = gossip;
  }

  tell(network: string, changes: readonly RowChange[]): void {
    for (const listener of this.#listeners) listener(network, changes);
  }

  attach(network: string): void {
    this.networks.add(network);
  }

  detach(network: string): void {
    for (const { table, key, owner } of this.#gossip.of(network)) {
      if (owner === this.name) this.#gossip.remove(network, table, key);
    }
    this.networks.delete(network);
  }

  publishEndpoint(network: string, id: string, endpoint: Endpoint): void {
    this.#gossip.said.push(`${this.name} endpoint ${id}${endpoint.disabled ? ' disabled' : ''}`);
    this.#gossip.put(this.name, network, ENDPOINT_TABLE, id, encodeEndpoint(endpoint));
  }

  withdrawEndpoint(network: string, id: string): void {
    this.#gossip.said.push(`${this.name} no endpoint ${id}`);
    this.#gossip.remove(network, ENDPOINT_TABLE, id);
  }

  publishPeer(network: string, id: string, peer: OverlayPeer): void {
    this.#gossip.said.push(`${this.name} peer ${id}`);
    this.#gossip.put(this.name, network, PEER_TABLE, id, encodeOverlayPeer(peer));
  }

  withdrawPeer(network: string, id: string): void {
    this.#gossip.said.push(`${this.name} no peer ${id}`);
    this.#gossip.remove(network, PEER_TABLE, id);
  }

  snapshot(network: string): NetworkSnapshot | undefined {
    if (!this.networks.has(network)) return undefined;
    const endpoints: Owned<Endpoint>[] = [];
    const peers: Owned<OverlayPeer>[] = [];
    for (const { table, key, owner, time, value } of this.#gossip.of(network)) {
      const endpoint = table === ENDPOINT_TABLE ? decodeEndpoint(value) : undefined;
      const peer = table === PEER_TABLE ? decodeOverlayPeer(value) : undefined;
      if (endpoint !== undefined) endpoints.push({ key, owner, time, value: endpoint });
      if (peer !== undefined) peers.push({ key, owner, time, value: peer });
    }
    const nodes = this.#gossip.members(network).map(({ name }) => name);
    return { network, nodes, endpoints, peers, unreadable: 0 };
  }

  standing(network: string): NetworkStanding | undefined {
    if (!this.networks.has(network)) return undefined;
    return { others: this.#gossip.members(network).length - 1, isInSync: true };
  }

  watch(listener: WatchListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
