/** Wakes whoever waits. Carries no value: who wakes looks for himself, so a wake-up too many does no harm. */
export interface Notifier {
  readonly notify: () => void;
  /** Resolves at the next `notify`; rejects with `signal.reason` when the signal aborts first. */
  readonly wait: (signal: AbortSignal) => Promise<void>;
}

export function createNotifier(): Notifier {
  const waiters = new Set<() => void>();
  return {
    notify: () => {
      const woken = [...waiters];
      waiters.clear();
      for (const wake of woken) wake();
    },
    wait: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const onAbort = () => {
          waiters.delete(wake);
          reject(signal.reason);
        };
        const wake = () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        signal.addEventListener('abort', onAbort, { once: true });
        waiters.add(wake);
      }),
  };
}
