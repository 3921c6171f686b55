interface Item {
  readonly key: string;
  readonly bytes: Buffer;
  readonly order: number;
  transmits: number;
}

export interface Round {
  readonly take: (overheadBytes: number, availableBytes: number) => Buffer[];
  readonly end: () => void;
}

/** More different things to say at once than any cluster has; beyond it the most often said goes first. */
const DEFAULT_CAPACITY = 8192;

/**
 * What is waiting to be gossiped (spec gossip §11): what was sent least goes first, then the longest, then the newest.
 * A newer message under the same key takes the place of the older one.
 */
export class BroadcastQueue {
  /** Index: times sent. Each tier is in ascending order of length, then age. */
  readonly #tiers: Item[][] = [];
  readonly #byKey = new Map<string, Item>();
  readonly #capacity: number;
  #order = 0;
  #overflows = 0;

  constructor(capacity = DEFAULT_CAPACITY) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Items thrown out because the queue was full. */
  get overflows(): number {
    return this.#overflows;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  put(key: string, bytes: Buffer): void {
    this.delete(key);
    if (this.#byKey.size >= this.#capacity) this.#dropMostSent();
    const item: Item = { key, bytes, order: this.#order++, transmits: 0 };
    this.#byKey.set(key, item);
    this.#insert(item);
  }

  delete(key: string): void {
    const item = this.#byKey.get(key);
    if (item === undefined) return;
    this.#byKey.delete(key);
    const tier = this.#tiers[item.transmits];
    if (tier === undefined) return;
    const at = countUpTo(tier, item.bytes.length, item.order) - 1;
    if (tier[at] === item) removeAt(tier, at);
  }

  /**
   * Takes messages for one packet. Each counts as sent once; one sent `limit` times is done.
   *
   * @param overheadBytes what each costs beside its own bytes
   * @param availableBytes room for all of them
   */
  take(overheadBytes: number, availableBytes: number, limit: number): Buffer[] {
    const round = this.round(limit);
    const taken = round.take(overheadBytes, availableBytes);
    round.end();
    return taken;
  }

  /** Several packets of one moment: none of their messages is put back, and so taken again, before `end`. */
  round(limit: number): Round {
    const taken: Item[] = [];
    return {
      take: (overheadBytes, availableBytes) => {
        const first = taken.length;
        this.#select(overheadBytes, availableBytes, taken);
        return taken.slice(first).map((item) => item.bytes);
      },
      end: () => {
        for (const item of taken) {
          item.transmits++;
          if (item.transmits >= limit) this.#byKey.delete(item.key);
          else this.#insert(item);
        }
      },
    };
  }

  #select(overheadBytes: number, availableBytes: number, taken: Item[]): void {
    let left = availableBytes;
    for (const tier of this.#tiers) {
      while (tier.length > 0 && left > overheadBytes) {
        const at = countUpTo(tier, left - overheadBytes) - 1;
        if (at < 0) break;
        const item = removeAt(tier, at);
        if (item === undefined) break;
        left -= overheadBytes + item.bytes.length;
        taken.push(item);
      }
    }
  }

  #insert(item: Item): void {
    while (this.#tiers.length <= item.transmits) this.#tiers.push([]);
    const tier = this.#tiers[item.transmits] ?? [];
    // Among equals the newest is last, where taking begins; an item put back finds its place by age.
    const at = countUpTo(tier, item.bytes.length, item.order);
    if (at === tier.length) tier.push(item);
    else tier.splice(at, 0, item);
  }

  #dropMostSent(): void {
    for (let transmits = this.#tiers.length - 1; transmits >= 0; transmits--) {
      const item = this.#tiers[transmits]?.shift();
      if (item === undefined) continue;
      this.#byKey.delete(item.key);
      this.#overflows++;
      return;
    }
  }
}

/** Mostly the last one, and that without the list of one that a splice makes. */
function removeAt(tier: Item[], at: number): Item | undefined {
  return at === tier.length - 1 ? tier.pop() : tier.splice(at, 1)[0];
}

/** How many items of an ascending tier are shorter than `bytes`, or just as long and not younger than `order`. */
function countUpTo(tier: readonly Item[], bytes: number, order = Number.POSITIVE_INFINITY): number {
  let low = 0;
  let high = tier.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = tier[middle];
    if (item === undefined) break;
    const { length } = item.bytes;
    if (length < bytes || (length === bytes && item.order <= order)) low = middle + 1;
    else high = middle;
  }
  return low;
}
