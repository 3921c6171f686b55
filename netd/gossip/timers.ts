/** Something to do at a moment. Cancelling is free: a cancelled timer is thrown away when its moment comes. */
export interface Timer {
  readonly atMs: number;
  cancel(): void;
}

interface Entry extends Timer {
  atMs: number;
  readonly order: number;
  readonly run: (lateMs: number) => void;
  /** Passes judgement on a peer that may have answered while we were not listening. */
  readonly judges: boolean;
  cancelled: boolean;
  postponed: boolean;
}

/** Later than this, our own process was held up, and what peers sent meanwhile is still unread in the socket. */
const LATE_MS = 100;
/** What a held-up process gives its peers: time to read what is waiting. */
const GRACE_MS = 200;

/**
 * Everything that waits, in one heap, driven by whoever owns the clock: it is told the time and runs what is due. Nothing
 * here reads a clock.
 */
export class Timers {
  readonly #heap: Entry[] = [];
  #order = 0;

  /** When the next timer is due; undefined when nothing waits. */
  nextAtMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /**
   * @param run told how late it is, in milliseconds
   * @param judges true if a held-up process should not decide yet: such a timer, when late, waits once more
   */
  at(atMs: number, run: (lateMs: number) => void, judges = false): Timer {
    const entry: Entry = {
      atMs,
      order: this.#order++,
      run,
      judges,
      cancelled: false,
      postponed: false,
      cancel() {
        entry.cancelled = true;
      },
    };
    this.#push(entry);
    return entry;
  }

  /**
   * Runs `run` every `intervalMs`, first at `firstMs`. Missed turns are dropped, not made up for, and the later ones come when
   * they would have come anyway: what was due together stays together.
   */
  every(firstMs: number, intervalMs: () => number, run: (nowMs: number, lateMs: number) => void): Timer {
    let current: Timer;
    const arm = (atMs: number): Timer =>
      this.at(atMs, (lateMs) => {
        const interval = intervalMs();
        current = arm(atMs + interval * (Math.floor(lateMs / interval) + 1));
        run(atMs + lateMs, lateMs);
      });
    current = arm(firstMs);
    return {
      atMs: firstMs,
      cancel: () => current.cancel(),
    };
  }

  /** Runs what is due. What these add for now or earlier waits for the next call, so that a caller can stop between. */
  runDue(nowMs: number): void {
    const lastOrder = this.#order;
    const again: Entry[] = [];
    try {
      for (;;) {
        this.#dropCancelled();
        const next = this.#heap[0];
        if (next === undefined || next.atMs > nowMs) break;
        this.#pop();
        if (next.order >= lastOrder) {
          again.push(next);
          continue;
        }
        const lateMs = nowMs - next.atMs;
        if (next.judges && lateMs > LATE_MS && !next.postponed) {
          next.postponed = true;
          next.atMs = nowMs + GRACE_MS;
          this.#push(next);
        } else next.run(lateMs);
      }
    } finally {
      // Also when one of them threw: the others are still due.
      for (const entry of again) this.#push(entry);
    }
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.cancelled) this.#pop();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let child = heap.push(entry) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, entry)) break;
      heap[child] = above;
      child = parent;
    }
    heap[child] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      let child = left;
      let least = heap[left];
      const right = heap[left + 1];
      if (least === undefined) break;
      if (right !== undefined && before(right, least)) {
        least = right;
        child = left + 1;
      }
      if (before(last, least)) break;
      heap[parent] = least;
      parent = child;
    }
    heap[parent] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
