import { type Random, uniformInt } from '#base/random.ts';
import type { NodeState } from '../wire/push-pull.ts';

/** What we hold about one node, ourselves included (spec gossip §10.1). */
export interface Member {
  readonly name: string;
  ip: string;
  port: number;
  meta: Uint8Array;
  versions: Uint8Array;
  incarnation: number;
  state: NodeState;
  /** Since when it is in that state, on the monotonic clock. */
  stateSinceMs: number;
}

/**
 * All members in an order that is random and stays put for a while: whoever walks it reaches everybody once before
 * anybody twice.
 */
export class Members {
  readonly #byName = new Map<string, Member>();
  readonly #order: Member[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#order.length;
  }

  get(name: string): Member | undefined {
    return this.#byName.get(name);
  }

  at(index: number): Member | undefined {
    return this.#order[index];
  }

  [Symbol.iterator](): IterableIterator<Member> {
    return this.#order[Symbol.iterator]();
  }

  /** Adds at a random place: a new node must not be everybody's last or everybody's next. */
  add(member: Member): void {
    this.#byName.set(member.name, member);
    const at = uniformInt(this.#random, 0, this.#order.length + 1);
    const displaced = this.#order[at];
    if (displaced === undefined) this.#order.push(member);
    else {
      this.#order[at] = member;
      this.#order.push(displaced);
    }
  }

  /** Forgets those `gone` names, and shuffles the rest (Fisher-Yates). */
  sweep(gone: (member: Member) => boolean): void {
    let kept = 0;
    for (const member of this.#order) {
      if (gone(member)) this.#byName.delete(member.name);
      else this.#order[kept++] = member;
    }
    this.#order.length = kept;
    for (let last = kept - 1; last > 0; last--) {
      const other = uniformInt(this.#random, 0, last + 1);
      const a = this.#order[last];
      const b = this.#order[other];
      if (a === undefined || b === undefined) continue;
      this.#order[last] = b;
      this.#order[other] = a;
    }
  }

  /** Up to `count` different random members that `accept` likes. */
  pick(count: number, accept: (member: Member) => boolean): Member[] {
    const picked: Member[] = [];
    const size = this.#order.length;
    // One walk from a random place: uniform enough because the order is random and reshuffled all the time.
    const start = uniformInt(this.#random, 0, size);
    for (let step = 0; step < size && picked.length < count; step++) {
      const member = this.#order[(start + step) % size];
      if (member !== undefined && accept(member)) picked.push(member);
    }
    return picked;
  }
}
