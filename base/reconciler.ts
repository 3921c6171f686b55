/**
 * Keys that need a pass. Events never act: they mark a key; the pass looks at the world and does what is needed. At most
 * one pass runs per key, marks made meanwhile coalesce into one more, and at most `concurrency` passes run in all.
 */
export interface Reconciler {
  /** Asks for a pass for this key: at once, or `delayMs` from now (an earlier mark wins over a later one). */
  readonly mark: (key: string, delayMs?: number) => void;
  /** Drops marks and timers of the key; a pass under way goes on to its end and is not retried. */
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

/** The first part of each pass runs in one go, and so would all of a thousand: sockets get their turn in between. */
const MOST_STARTS_PER_TURN = 4;
/** The longest delay setTimeout takes, in milliseconds; it makes 1 of anything beyond. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const waiting = new Set<string>(); // insertion order is the queue
  const running = new Set<string>();
  const again = new Set<string>(); // marked while running
  const forgotten = new Set<string>(); // while running
  const timers = new Map<string, { readonly handle: NodeJS.Timeout; readonly dueMs: number }>();
  let idleWaiters: (() => void)[] = [];
  let turn: NodeJS.Immediate | undefined;
  let stopped = false;

  const mark = (key: string, delayMs = 0) => {
    if (stopped) return;
    if (delayMs > 0) return markLater(key, delayMs);
    clearTimer(key);
    forgotten.delete(key);
    if (running.has(key)) again.add(key);
    else waiting.add(key);
    schedule();
  };

  const markLater = (key: string, delayMs: number) => {
    const dueMs = performance.now() + delayMs;
    const known = timers.get(key);
    if (known && known.dueMs <= dueMs) return;
    clearTimer(key);
    forgotten.delete(key);
    // A pass too early does no harm, so the longest delay need not be kept exactly.
    const handle = setTimeout(
      () => {
        timers.delete(key);
        mark(key);
      },
      Math.min(delayMs, LONGEST_TIMER_MS),
    );
    timers.set(key, { handle, dueMs });
  };

  const clearTimer = (key: string) => {
    clearTimeout(timers.get(key)?.handle);
    timers.delete(key);
  };

  const schedule = () => {
    if (waiting.size > 0 && running.size < options.concurrency) turn ??= setImmediate(fill);
  };

  const fill = () => {
    turn = undefined;
    let starts = 0;
    for (const key of waiting) {
      if (running.size >= options.concurrency || starts++ === MOST_STARTS_PER_TURN) break;
      waiting.delete(key);
      running.add(key);
      void run(key);
    }
    schedule();
  };

  const run = async (key: string) => {
    try {
      await options.pass(key);
    } catch (error) {
      options.onError(key, error);
      if (!again.has(key) && !forgotten.has(key)) mark(key, options.retryMs);
    }
    running.delete(key);
    forgotten.delete(key);
    if (again.delete(key) && !stopped) waiting.add(key);
    schedule();
    tellIdle();
  };

  const tellIdle = () => {
    if (running.size > 0 || waiting.size > 0) return;
    const waiters = idleWaiters;
    idleWaiters = [];
    for (const resolve of waiters) resolve();
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
      if (running.has(key)) forgotten.add(key);
      tellIdle();
    },
    idle,
    stop: () => {
      stopped = true;
      waiting.clear();
      again.clear();
      clearImmediate(turn);
      for (const key of [...timers.keys()]) clearTimer(key);
      tellIdle();
      return idle();
    },
  };
}
