import type { Clock } from '#base/clock.ts';

/** Time that jumps over every sleep: for exchanges that would otherwise wait between attempts. Notes what was slept. */
export class EagerClock implements Clock {
  readonly slept: number[] = [];
  #nowMs = Date.now(); // certificates are checked by OpenSSL against the real date
  #monotonicMs = 0;

  readonly now = (): number => this.#nowMs;
  readonly monotonicMs = (): number => this.#monotonicMs;

  readonly sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    this.slept.push(ms);
    this.#nowMs += ms;
    this.#monotonicMs += ms;
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  };
}
