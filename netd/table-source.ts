import type { RowChange } from './gossip/networkdb/rows.ts';
import { ENDPOINT_TABLE, PEER_TABLE } from './gossip/networkdb/table-events.ts';
import type { GossipNode } from './gossip/node.ts';
import type { NetworkSnapshot, RowVersion, WatchListener } from './gossip/tables.ts';

/**
 * The rows of whichever gossip node runs now. A gossip node is made anew when its name or address will not do any more, and
 * begins with no rows: to whoever reads here those of the old one are deleted, and those of the new one come as it hears them.
 */
export class TableSource {
  #node: GossipNode | undefined;
  #unwatch: () => void = () => undefined;
  readonly #listeners = new Set<WatchListener>();
  /** Networks somebody has looked at: whose rows may be remembered somewhere. */
  readonly #looked = new Set<string>();

  get node(): GossipNode | undefined {
    return this.#node;
  }

  set(node: GossipNode | undefined): void {
    if (node === this.#node) return;
    const gone = [...this.#looked].map((network) => [network, this.#node?.tables.snapshot(network)] as const);
    this.#unwatch();
    this.#node = node;
    this.#unwatch = node?.tables.watch((network, changes) => this.#tell(network, changes)) ?? (() => undefined);
    for (const [network, snapshot] of gone) this.#tell(network, deletions(network, snapshot));
  }

  snapshot(network: string): NetworkSnapshot | undefined {
    this.#looked.add(network);
    return this.#node?.tables.snapshot(network);
  }

  /** The endpoints of a network, unread. */
  versions(network: string): Iterable<RowVersion> {
    return this.#node?.tables.versions(network, ENDPOINT_TABLE) ?? [];
  }

  watch(listener: WatchListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Gossip name of this node; empty while there is no gossip: no row has that owner. */
  self(): string {
    return this.#node?.name ?? '';
  }

  #tell(network: string, changes: readonly RowChange[]): void {
    for (const listener of this.#listeners) listener(network, changes);
  }
}

function deletions(network: string, snapshot: NetworkSnapshot | undefined): RowChange[] {
  const gone = (table: string, key: string): RowChange => ({
    network,
    table,
    key,
    before: undefined,
    after: undefined,
  });
  return [
    ...(snapshot?.endpoints ?? []).map(({ key }) => gone(ENDPOINT_TABLE, key)),
    ...(snapshot?.peers ?? []).map(({ key }) => gone(PEER_TABLE, key)),
  ];
}
