/** Where time comes from. Everything that waits or dates something is given one, so that tests own the time. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. It may jump; use it for dates and certificates only. */
  readonly now: () => number;
  /** Milliseconds since some fixed moment, never going back: for intervals. */
  readonly monotonicMs: () => number;
  /**
   * Waits `ms` milliseconds (any length, also beyond the 2^31 ms a timer can hold). Rejects with `signal.reason` as soon
   * as the signal aborts.
   */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** The longest delay setTimeout takes (a signed 32-bit number of milliseconds, 24.8 days). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    let leftMs = Math.max(0, ms);
    do {
      const stepMs = Math.min(leftMs, LONGEST_TIMER_MS);
      await timer(stepMs, signal);
      leftMs -= stepMs;
    } while (leftMs > 0);
  },
};

function timer(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(handle);
      reject(signal?.reason);
    };
    const handle = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
