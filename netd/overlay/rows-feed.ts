import type { RowChange } from '../gossip/networkdb/rows.ts';
import { PEER_TABLE } from '../gossip/networkdb/table-events.ts';
import { decodeOverlayPeer } from '../gossip/records.ts';
import type { OverlayNetwork } from './network.ts';
import type { OverlayTables } from './publisher.ts';

/** Rows of others on their way from gossip to the networks. */
export class RowsFeed {
  /** Keys of rows that say nothing we understand, by network. */
  readonly #unreadable = new Map<string, Set<string>>();

  unreadable(networkId: string): number {
    return this.#unreadable.get(networkId)?.size ?? 0;
  }

  forget(networkId: string): void {
    this.#unreadable.delete(networkId);
  }

  /** All that gossip knows of a network takes the place of what was known before. */
  load(network: OverlayNetwork, tables: OverlayTables): void {
    this.#unreadable.delete(network.desired.id);
    network.replaceRows(tables.snapshot(network.desired.id)?.peers ?? []);
  }

  /** @returns whether any of the changes is about where addresses are */
  take(network: OverlayNetwork, changes: readonly RowChange[]): boolean {
    const { id } = network.desired;
    let isNews = false;
    for (const { table, key, after, isLost } of changes) {
      if (table !== PEER_TABLE) continue;
      isNews = true;
      const value = after && decodeOverlayPeer(after.value);
      this.#note(id, key, after !== undefined && value === undefined);
      if (isLost) network.loseRow(key);
      else if (after === undefined || value === undefined) network.removeRow(key);
      else network.putRow({ key, owner: after.owner, time: after.time, value });
    }
    return isNews;
  }

  #note(networkId: string, key: string, isUnreadable: boolean): void {
    const keys = this.#unreadable.get(networkId) ?? new Set();
    if (isUnreadable) keys.add(key);
    else keys.delete(key);
    if (keys.size === 0) this.#unreadable.delete(networkId);
    else this.#unreadable.set(networkId, keys);
  }
}
