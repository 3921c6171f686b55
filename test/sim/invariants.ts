import { TOMBSTONE_MS } from '#netd/gossip/networkdb/constants.ts';
import type { RowChange } from '#netd/gossip/networkdb/rows.ts';
import { TABLE, type Wanted } from './agreement.ts';
import type { SimNode, World } from './world.ts';

/**
 * How long rows of a process that has ended may be seen by one that runs. In the troubled runs of ten hosts a dead node is
 * probed within ten seconds, suspected for 24, and may be heard of once more from the other side of a partition.
 */
const DEAD_ROW_MS = 100_000;
/** A tombstone is reaped within one period of the reaper. */
const REAP_SLACK_MS = 6000;
/** Of differences that repeat every second a few are enough. */
const MAX_FOUND = 5;

/** What must hold all through a run, whatever happens in it: told of every change, and looking around now and then. */
export class Invariants {
  readonly found: string[] = [];
  readonly #world: World;
  readonly #wanted: ReadonlyMap<SimNode, Wanted>;
  readonly #endedMs = new Map<string, number>();
  /** Longest that a row of an ended process was seen. */
  longestDeadMs = 0;

  constructor(world: World, wanted: ReadonlyMap<SimNode, Wanted>) {
    this.#world = world;
    this.#wanted = wanted;
    world.onChanges = (node, changes) => {
      for (const change of changes) this.#changed(node, change);
    };
  }

  /** Looks at every process that runs and is not stopped. */
  look(): void {
    const { nowMs, nodes } = this.#world;
    for (const { running, core } of nodes) {
      if (!running && !this.#endedMs.has(core.config.name)) this.#endedMs.set(core.config.name, nowMs);
    }
    for (const node of nodes) {
      if (!node.running || node.pausedUntilMs > nowMs || node.inbox.length > 0) continue;
      this.#ownRows(node);
      this.#otherRows(node);
    }
  }

  /** A row never goes back to an older version. */
  #changed(node: SimNode, { key, before, after }: RowChange): void {
    if (before === undefined || after === undefined || after.time > before.time) return;
    this.#say(node, `went back from ${key} of time ${before.time} to ${after.time}`);
  }

  /** No update is lost: what a process was last told to say, its own table says, under its own name. */
  #ownRows(node: SimNode): void {
    const { rows, own } = node.core.db.state;
    for (const [network, keys] of this.#wanted.get(node)?.networks ?? []) {
      if (own.get(network)?.leaving !== false) this.#say(node, `is not on ${network}`);
      for (const [key, value] of keys) {
        const row = rows.get(network, TABLE, key);
        const is = row === undefined || row.deleted ? 'nothing' : Buffer.from(row.value).toString();
        if (is !== value || row?.owner !== node.core.config.name) this.#say(node, `says ${is} for its ${key}=${value}`);
      }
    }
  }

  /** Rows of others are there only as long as their owner is, and tombstones until their time. */
  #otherRows(node: SimNode): void {
    const { state } = node.core.db;
    const { nowMs } = node.core.io;
    for (const network of state.own.keys()) {
      for (const row of state.rows.of(network)) {
        if (row.deleted) {
          if (row.reapAtMs < nowMs - REAP_SLACK_MS) this.#say(node, `keeps the tombstone of ${row.key} too long`);
          if (row.reapAtMs > nowMs + TOMBSTONE_MS) this.#say(node, `will keep the tombstone of ${row.key} too long`);
          continue;
        }
        if (row.owner === node.core.config.name) continue;
        const isThere = state.peers.get(row.owner)?.status === 'active' && state.rosters.get(network)?.has(row.owner);
        if (!isThere) this.#say(node, `has ${row.key} of ${row.owner}, which it does not see on ${network}`);
        const deadMs = this.#world.nowMs - (this.#endedMs.get(row.owner) ?? this.#world.nowMs);
        this.longestDeadMs = Math.max(this.longestDeadMs, deadMs);
        if (deadMs > DEAD_ROW_MS) this.#say(node, `still has ${row.key} of ${row.owner}, dead for ${deadMs} ms`);
      }
    }
  }

  #say(node: SimNode, text: string): void {
    if (this.found.length >= MAX_FOUND) return;
    this.found.push(`at ${(this.#world.nowMs / 1000).toFixed(3)} s ${node.core.config.name} ${text}`);
  }
}
