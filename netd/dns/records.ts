import type { DesiredAttachment } from '../desired.ts';
import type { RowChange } from '../gossip/networkdb/rows.ts';
import { ENDPOINT_TABLE } from '../gossip/networkdb/table-events.ts';
import { decodeEndpoint, type Endpoint } from '../gossip/records.ts';
import type { RowVersion } from '../gossip/tables.ts';
import { NetworkNames } from './names.ts';

/** Where the rows of the nodes come from: the part of gossip's `Tables` that is needed here. */
export interface RowSource {
  readonly snapshot: (
    network: string,
  ) =>
    | { readonly endpoints: readonly { readonly key: string; readonly owner: string; readonly value: Endpoint }[] }
    | undefined;
  /** The endpoints of a network, unread: snapshots of ten thousand take a tenth of a second. */
  readonly versions: (network: string) => Iterable<RowVersion>;
  /** Returns what ends it. */
  readonly watch: (listener: (network: string, changes: readonly RowChange[]) => void) => () => void;
}

interface Held {
  readonly names: NetworkNames;
  /** Of the rows that are in the names, by key. */
  versions: Map<string, RowVersion>;
  /** Containers that need it. */
  users: number;
}

/**
 * The names of the networks that containers here are on. Rows tell of the other nodes; of this node only what the agent
 * says counts, which knows at once when a task is not to be found any more.
 */
export class Records {
  readonly #rows: RowSource;
  readonly #self: () => string;
  readonly #held = new Map<string, Held>();
  #local: readonly DesiredAttachment[] = [];
  readonly #unwatch: () => void;

  /** @param self gossip name of this node: rows it owns are not read */
  constructor(rows: RowSource, self: () => string) {
    this.#rows = rows;
    this.#self = self;
    this.#unwatch = rows.watch((network, changes) => this.#changed(network, changes));
  }

  /** The names of a network, kept up to date until as many `release`. */
  retain(network: string): NetworkNames {
    const held = this.#held.get(network) ?? { ...this.#load(network), users: 0 };
    this.#held.set(network, held);
    held.users++;
    return held.names;
  }

  release(network: string): void {
    const held = this.#held.get(network);
    if (held !== undefined && --held.users <= 0) this.#held.delete(network);
  }

  /** The names of a network somebody retains. */
  names(network: string): NetworkNames | undefined {
    return this.#held.get(network)?.names;
  }

  /** What the containers of this node answer to: always all of it. */
  setLocal(attachments: readonly DesiredAttachment[]): void {
    this.#local = attachments;
    for (const [network, { names }] of this.#held) {
      const wanted = localEndpoints(attachments, network);
      for (const [id, known] of names.endpoints) {
        if (!id.startsWith(LOCAL)) continue;
        const endpoint = wanted.get(id);
        if (endpoint === undefined) names.drop(id);
        else if (isSame(endpoint, known)) wanted.delete(id);
      }
      for (const [id, endpoint] of wanted) names.put(id, endpoint);
    }
  }

  /** Compares all names with the rows as they are; the endpoints that had to be mended, which should be none. */
  resync(): number {
    let mended = 0;
    for (const [network, held] of this.#held) {
      if (this.#isUpToDate(network, held.versions)) continue;
      const { names } = held;
      held.versions = this.#versionsOf(network);
      const rows = new Map(this.#rowsOf(network));
      for (const [id, known] of names.endpoints) {
        if (id.startsWith(LOCAL)) continue;
        const endpoint = rows.get(id);
        if (endpoint !== undefined && isSame(endpoint, known)) rows.delete(id);
        else {
          mended++;
          if (endpoint === undefined) names.drop(id);
        }
      }
      for (const [id, endpoint] of rows) {
        if (!names.endpoints.has(id)) mended++;
        names.put(id, endpoint);
      }
    }
    return mended;
  }

  close(): void {
    this.#unwatch();
    this.#held.clear();
  }

  #isUpToDate(network: string, known: ReadonlyMap<string, RowVersion>): boolean {
    let count = 0;
    for (const { key, owner, time } of this.#others(network)) {
      const version = known.get(key);
      if (version?.time !== time || version.owner !== owner) return false;
      count++;
    }
    return count === known.size;
  }

  #versionsOf(network: string): Map<string, RowVersion> {
    const versions = new Map<string, RowVersion>();
    for (const { key, owner, time } of this.#others(network)) versions.set(key, { key, owner, time });
    return versions;
  }

  *#others(network: string): Generator<RowVersion> {
    for (const version of this.#rows.versions(network)) if (version.owner !== this.#self()) yield version;
  }

  #load(network: string): Pick<Held, 'names' | 'versions'> {
    const names = new NetworkNames();
    for (const [id, endpoint] of this.#rowsOf(network)) names.put(id, endpoint);
    for (const [id, endpoint] of localEndpoints(this.#local, network)) names.put(id, endpoint);
    return { names, versions: this.#versionsOf(network) };
  }

  *#rowsOf(network: string): Generator<readonly [string, Endpoint]> {
    for (const { key, owner, value } of this.#rows.snapshot(network)?.endpoints ?? []) {
      if (owner !== this.#self()) yield [key, value];
    }
  }

  #changed(network: string, changes: readonly RowChange[]): void {
    const held = this.#held.get(network);
    if (held === undefined) return;
    const { names, versions } = held;
    for (const { table, key, after } of changes) {
      if (table !== ENDPOINT_TABLE) continue;
      const isOther = after !== undefined && !after.deleted && after.owner !== this.#self();
      const endpoint = isOther ? decodeEndpoint(after.value) : undefined;
      if (isOther) versions.set(key, { key, owner: after.owner, time: after.time });
      else versions.delete(key);
      if (endpoint === undefined) names.drop(key);
      else names.put(key, endpoint);
    }
  }
}

/** Keys of rows are letters, digits and a few marks; this is none of them. */
const LOCAL = '@';

/** Endpoints of this node on a network, by an id no row has. */
function localEndpoints(attachments: readonly DesiredAttachment[], network: string): Map<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>();
  for (const { taskId, networkId, address, binding } of attachments) {
    if (networkId !== network || binding.state === 'pending') continue;
    const ip = address.replace(/\/.*/, '');
    endpoints.set(LOCAL + taskId, { ...binding.row, ip, disabled: binding.state === 'draining' });
  }
  return endpoints;
}

/** Both are plain values made the same way. */
function isSame(a: Endpoint, b: Endpoint): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
