import type { Clock } from '#base/clock.ts';

/** One call of `sleep` that has not ended yet. */
export interface Sleeper {
  /** As asked for, in milliseconds. */
  readonly ms: number;
  readonly dueMs: number;
}

/**
 * Time that goes on only when the test says so. Sockets stay real: a test waits until the part under test sleeps
 * (`sleeping`), and only then moves the time, so that nothing depends on how fast the machine is.
 */
export class VirtualClock implements Clock {
  #nowMs = 0;
  /** Where the wall clock stands at the virtual moment 0; it may be set to let it jump. */
  epochMs = Date.UTC(2026, 0, 1);
  readonly #sleepers = new Set<Sleeper & { readonly wake: () => void }>();
  readonly #watchers = new Set<() => void>();

  readonly now = (): number => this.epochMs + this.#nowMs;
  readonly monotonicMs = (): number => this.#nowMs;

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (ms <= 0) return resolve();
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper = {
        ms,
        dueMs: this.#nowMs + ms,
        wake: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#sleepers.add(sleeper);
      for (const look of [...this.#watchers]) look();
    });

  get sleepers(): readonly Sleeper[] {
    return [...this.#sleepers];
  }

  /** Resolves as soon as somebody sleeps that fits. The runner's own timeout is the deadline. */
  sleeping(fits: (sleeper: Sleeper) => boolean): Promise<Sleeper> {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.sleepers.find(fits);
        if (!found) return;
        this.#watchers.delete(look);
        resolve(found);
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** Moves the time on, waking sleepers in the order they are due; each has run its course before the next is woken. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#sleepers].sort((a, b) => a.dueMs - b.dueMs);
      if (!next || next.dueMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#sleepers.delete(next);
      next.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#nowMs = untilMs;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
