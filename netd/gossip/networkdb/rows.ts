import type { LamportTime } from '../wire/networkdb-message.ts';

/** One entry of a table of a network. Never changed, only replaced: whoever holds one may keep it. */
export interface Row {
  readonly network: string;
  readonly table: string;
  readonly key: string;
  /** The node it speaks for. */
  readonly owner: string;
  /** Table clock of its last change. */
  readonly time: LamportTime;
  readonly value: Uint8Array;
  /** A tombstone: the row is gone, and this keeps late copies from bringing it back. Its value is the last one. */
  readonly deleted: boolean;
  /** When a tombstone is forgotten. */
  readonly reapAtMs: number;
}

/** A change somebody may act on: a row appeared, changed or vanished. Tombstones are not rows here. */
export interface RowChange {
  readonly network: string;
  readonly table: string;
  readonly key: string;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
  /** Nobody took the row back: the node it spoke for is gone. What it spoke of may well go on. */
  readonly isLost?: true;
}

type Keys = Map<string, Row>;

/** All rows of all networks, found by key, by owner, and by being tombstones. */
export class Rows {
  readonly #networks = new Map<string, Map<string, Keys>>();
  readonly #byOwner = new Map<string, Set<Row>>();
  readonly #tombstones = new Set<Row>();
  readonly #changed: (change: RowChange) => void;
  #size = 0;

  /** @param changed told of each change somebody may act on */
  constructor(changed: (change: RowChange) => void) {
    this.#changed = changed;
  }

  /** Rows and tombstones. */
  get size(): number {
    return this.#size;
  }

  get(network: string, table: string, key: string): Row | undefined {
    return this.#networks.get(network)?.get(table)?.get(key);
  }

  /** Every row and tombstone of a network. */
  *of(network: string): Generator<Row, void> {
    for (const keys of this.#networks.get(network)?.values() ?? []) yield* keys.values();
  }

  ownedBy(owner: string): Iterable<Row> {
    return this.#byOwner.get(owner) ?? [];
  }

  /** Rows and tombstones of a network. */
  count(network: string): number {
    let count = 0;
    for (const keys of this.#networks.get(network)?.values() ?? []) count += keys.size;
    return count;
  }

  put(row: Row): void {
    let tables = this.#networks.get(row.network);
    if (tables === undefined) {
      tables = new Map();
      this.#networks.set(row.network, tables);
    }
    let keys = tables.get(row.table);
    if (keys === undefined) {
      keys = new Map();
      tables.set(row.table, keys);
    }
    const before = keys.get(row.key);
    if (before === undefined) this.#size++;
    else this.#unlink(before);
    keys.set(row.key, row);
    let owned = this.#byOwner.get(row.owner);
    if (owned === undefined) {
      owned = new Set();
      this.#byOwner.set(row.owner, owned);
    }
    owned.add(row);
    if (row.deleted) this.#tombstones.add(row);
    this.#report(before, row);
  }

  /** Forgets a row without a trace. @param isLost because its node is gone */
  drop(row: Row, isLost = false): void {
    const tables = this.#networks.get(row.network);
    const keys = tables?.get(row.table);
    if (tables === undefined || keys?.get(row.key) !== row) return;
    keys.delete(row.key);
    if (keys.size === 0) tables.delete(row.table);
    if (tables.size === 0) this.#networks.delete(row.network);
    this.#size--;
    this.#unlink(row);
    this.#report(row, undefined, isLost);
  }

  dropOwnedBy(owner: string): void {
    for (const row of [...this.ownedBy(owner)]) this.drop(row, true);
  }

  /** Forgets the tombstones whose time is up. */
  reap(nowMs: number): void {
    for (const row of this.#tombstones) if (row.reapAtMs <= nowMs) this.drop(row);
  }

  #unlink(row: Row): void {
    const owned = this.#byOwner.get(row.owner);
    owned?.delete(row);
    if (owned?.size === 0) this.#byOwner.delete(row.owner);
    if (row.deleted) this.#tombstones.delete(row);
  }

  #report(before: Row | undefined, after: Row | undefined, isLost = false): void {
    const was = before?.deleted ? undefined : before;
    const is = after?.deleted ? undefined : after;
    const row = after ?? before;
    if (row === undefined || (was === undefined && is === undefined)) return;
    if (was && is && was.owner === is.owner && Buffer.compare(was.value, is.value) === 0) return;
    const change = { network: row.network, table: row.table, key: row.key, before: was, after: is };
    this.#changed(isLost ? { ...change, isLost } : change);
  }
}
