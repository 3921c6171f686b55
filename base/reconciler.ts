/**
 * Keys that need a pass. Events never act: they mark a key; the pass looks at the world and does what is needed. At most
 * one pass runs per key, marks made meanwhile coalesce into one more, and at most `concurrency` passes run in all.
 */
export interface Reconciler {
  /** Asks for a pass for this key: at once, or `delayMs` from now (an earlier mark wins over a later one). */
  readonly mark: (key: string, delayMs?: number) => void;
  /** Drops marks and timers of the key; a pass under way goes on to its end. */
  readonly forget: (key: string) => void;
  /** Resolves when no pass is running and none is wanted now (delayed marks do not count). */
  readonly idle: () => Promise<void>;
  /** Makes no further passes; resolves when the running ones have ended. */
  readonly stop: () => Promise<void>;
}

export interface ReconcilerOptions {
  /** One pass. It must not throw for ordinary failures; what it throws goes to `onError`, and the key is retried. */
  readonly pass: (key: string) => Promise<void>;
  readonly onError: (key: string, error: unknown) => void;
  /** Most passes at once. */
  readonly concurrency: number;
  /** Delay before a key whose pass threw gets another, in milliseconds. */
  readonly retryMs: number;
}

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const waiting = new Set<string>(); // insertion order is the queue
  const running = new Set<string>();
  const again = new Set<string>(); // marked while running
  const timers = new Map<string, { readonly handle: NodeJS.Timeout; readonly dueMs: number }>();
  let idleWaiters: (() => void)[] = [];
  let stopped = false;

  const mark = (key: string, delayMs = 0) => {
    if (stopped) return;
    if (delayMs > 0) return markLater(key, delayMs);
    clearTimer(key);
    if (running.has(key)) again.add(key);
    else waiting.add(key);
    fill();
  };

  const markLater = (key: string, delayMs: number) => {
    const dueMs = performance.now() + delayMs;
    const known = timers.get(key);
    if (known && known.dueMs <= dueMs) return;
    clearTimer(key);
    const handle = setTimeout(() => {
      timers.delete(key);
      mark(key);
    }, delayMs);
    timers.set(key, { handle, dueMs });
  };

  const clearTimer = (key: string) => {
    clearTimeout(timers.get(key)?.handle);
    timers.delete(key);
  };

  const fill = () => {
    for (const key of waiting) {
      if (running.size >= options.concurrency) return;
      waiting.delete(key);
      running.add(key);
      void run(key);
    }
    if (running.size === 0 && waiting.size === 0) {
      const waiters = idleWaiters;
      idleWaiters = [];
      for (const resolve of waiters) resolve();
    }
  };

  const run = async (key: string) => {
    try {
      await options.pass(key);
    } catch (error) {
      options.onError(key, error);
      if (!again.has(key)) mark(key, options.retryMs);
    }
    running.delete(key);
    if (again.delete(key) && !stopped) waiting.add(key);
    fill();
  };

  const idle = () =>
    running.size === 0 && waiting.size === 0
      ? Promise.resolve()
      : new Promise<void>((resolve) => {
          idleWaiters.push(resolve);
        });

  return {
    mark,
    forget: (key) => {
      clearTimer(key);
      waiting.delete(key);
      again.delete(key);
    },
    idle,
    stop: () => {
      stopped = true;
      waiting.clear();
      again.clear();
      for (const key of [...timers.keys()]) clearTimer(key);
      return idle();
    },
  };
}
