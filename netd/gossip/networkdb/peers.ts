import { type Random, uniformInt } from '#base/random.ts';
import type { LamportTime } from '../wire/networkdb-message.ts';
import type { Address } from '../wire/swim-message.ts';

/** A node as NetworkDB knows it. `failed` went without a word, `left` said goodbye (spec gossip §14.2). */
export interface Peer {
  readonly name: string;
  address: Address;
  status: 'active' | 'failed' | 'left';
  /** Network clock of the newest node event about it. */
  time: LamportTime;
  /** When a failed or left node is forgotten. */
  forgetAtMs: number;
  /** Networks whose rows last went both ways between it and us, and when. */
  synced: { readonly networks: readonly string[]; readonly atMs: number } | undefined;
  /** Attempts to reach it since it failed, and when the next one is due. */
  dials: number;
  nextDialMs: number;
  /** Counted as left only because this node appeared at its address. */
  displacedBy: string | undefined;
  /** The node that counted as left when this one appeared at its address. */
  displaced: string | undefined;
}

/** One node on one network. */
export interface Attachment {
  readonly time: LamportTime;
  readonly leaving: boolean;
  /** When a leaving attachment is forgotten. */
  readonly reapAtMs: number;
}

/** Signs that a node is on networks of ours without our having heard of it. */
export interface Unheard {
  readonly networks: Set<string>;
  askAtMs: number;
  /** How long after a failure it is asked again. */
  retryMs: number;
  forgetAtMs: number;
}

/** Networks a node has attached to without asking us for their rows, as whoever knows that we are there does. */
export interface Unaware {
  readonly networks: Set<string>;
  readonly askAtMs: number;
}

/** Names attached to one network, walked in a shuffled order so that all are reached before any twice. */
export class Roster {
  readonly #names: string[] = [];
  readonly #index = new Map<string, number>();
  #cursor = 0;

  get size(): number {
    return this.#names.length;
  }

  has(name: string): boolean {
    return this.#index.has(name);
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#names[Symbol.iterator]();
  }

  add(name: string): void {
    if (this.#index.has(name)) return;
    this.#index.set(name, this.#names.push(name) - 1);
    // Shuffled before the next walk: names come to all nodes in much the same order, and walks must differ.
    this.#cursor = Number.POSITIVE_INFINITY;
  }

  delete(name: string): void {
    const at = this.#index.get(name);
    if (at === undefined) return;
    this.#index.delete(name);
    const last = this.#names.pop();
    if (last === undefined || last === name) return;
    this.#names[at] = last;
    this.#index.set(last, at);
  }

  /** The next `count` names of the walk that `accept` likes, all different. */
  deal(count: number, random: Random, accept: (name: string) => boolean): string[] {
    const dealt: string[] = [];
    // The rest of this walk may hold only names already seen or not wanted; all of the next one does not.
    for (let step = 0; step < 2 * this.#names.length && dealt.length < count; step++) {
      if (this.#cursor >= this.#names.length) this.#shuffle(random);
      const name = this.#names[this.#cursor++];
      if (name !== undefined && accept(name) && !dealt.includes(name)) dealt.push(name);
    }
    return dealt;
  }

  #shuffle(random: Random): void {
    this.#cursor = 0;
    for (let last = this.#names.length - 1; last > 0; last--) {
      const other = uniformInt(random, 0, last + 1);
      const a = this.#names[last];
      const b = this.#names[other];
      if (a === undefined || b === undefined) continue;
      this.#names[last] = b;
      this.#names[other] = a;
      this.#index.set(b, last);
      this.#index.set(a, other);
    }
  }
}
