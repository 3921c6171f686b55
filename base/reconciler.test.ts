import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createReconciler, type Reconciler, type ReconcilerOptions } from './reconciler.ts';

const RETRY_MS = 1000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A reconciler whose passes end when the test says so. */
function held(options: Partial<ReconcilerOptions> = {}) {
  const begun: string[] = [];
  const ends = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  const errors: string[] = [];
  const reconciler = createReconciler({
    pass: (key) => {
      begun.push(key);
      return new Promise<void>((resolve, reject) => ends.set(key, { resolve, reject }));
    },
    onError: (key, error) => errors.push(`${key}: ${error}`),
    concurrency: 10,
    retryMs: RETRY_MS,
    ...options,
  });
  const end = async (key: string, error?: Error) => {
    const pass = ends.get(key);
    if (!pass) throw new Error(`no pass for ${key}`);
    ends.delete(key);
    if (error) pass.reject(error);
    else pass.resolve();
    await settle();
  };
  return { reconciler, begun, errors, end, running: () => [...ends.keys()] };
}

/** Lets everything run that needs no time. */
const settle = () => vi.advanceTimersByTimeAsync(0);

describe('createReconciler', () => {
  it('gives marked keys a pass each, in the order of their marks', async () => {
    const { reconciler, begun } = held();
    for (const key of ['b', 'a', 'b', 'c', 'a']) reconciler.mark(key);
    await settle();
    expect(begun).toEqual(['b', 'a', 'c']);
  });

  it('never runs two passes of a key at once, and makes one more of all marks made meanwhile', async () => {
    const { reconciler, begun, end } = held();
    reconciler.mark('a');
    await settle();
    for (let i = 0; i < 5; i++) reconciler.mark('a');
    await settle();
    expect(begun).toEqual(['a']);
    await end('a');
    expect(begun).toEqual(['a', 'a']);
    await end('a');
    expect(begun).toEqual(['a', 'a']);
  });

  it('keeps to its concurrency, and the others wait their turn', async () => {
    const { reconciler, begun, end, running } = held({ concurrency: 2 });
    for (const key of ['a', 'b', 'c', 'd']) reconciler.mark(key);
    await settle();
    expect(running()).toEqual(['a', 'b']);
    await end('b');
    expect(running()).toEqual(['a', 'c']);
    await end('a');
    await end('c');
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('begins a crowd of passes over several turns, so that nothing else has to wait for them all', async () => {
    vi.useRealTimers();
    let begun = 0;
    const reconciler = createReconciler({
      pass: async () => {
        begun++;
      },
      onError: () => {},
      concurrency: 10_000,
      retryMs: RETRY_MS,
    });
    for (let i = 0; i < 1000; i++) reconciler.mark(String(i));
    expect(begun).toBe(0);
    let most = 0;
    while (begun < 1000) {
      const before = begun;
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, begun - before);
    }
    expect(most).toBeLessThanOrEqual(10);
    await reconciler.idle();
  });

  it('waits with a delayed mark; the earlier of two wins, and a pass at once takes its place', async () => {
    const { reconciler, begun, end } = held();
    reconciler.mark('a', 500);
    reconciler.mark('a', 100);
    reconciler.mark('a', 300);
    await vi.advanceTimersByTimeAsync(99);
    expect(begun).toEqual([]);
    await vi.advanceTimersByTimeAsync(2);
    expect(begun).toEqual(['a']);
    await end('a');
    await vi.advanceTimersByTimeAsync(1000);
    expect(begun).toEqual(['a']);

    reconciler.mark('b', 500);
    reconciler.mark('b');
    await vi.advanceTimersByTimeAsync(1000);
    expect(begun).toEqual(['a', 'b']);
  });

  it('takes a delay longer than a timer can hold for a long one, not for none', async () => {
    const { reconciler, begun } = held();
    reconciler.mark('a', 2 ** 31 + 1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(begun).toEqual([]);
    await reconciler.stop();
  });

  it('retries a pass that threw, after a while, or at once if there is a new mark', async () => {
    const { reconciler, begun, errors, end } = held();
    reconciler.mark('a');
    await settle();
    await end('a', new Error('not now'));
    expect(errors).toEqual(['a: Error: not now']);
    await vi.advanceTimersByTimeAsync(RETRY_MS - 1);
    expect(begun).toEqual(['a']);
    await vi.advanceTimersByTimeAsync(2); // fake immediates asked for by a fake timer come a millisecond later
    expect(begun).toEqual(['a', 'a']);
    reconciler.mark('a');
    await end('a', new Error('nor now'));
    expect(begun).toEqual(['a', 'a', 'a']);
    await end('a');
    await vi.advanceTimersByTimeAsync(10 * RETRY_MS);
    expect(begun).toHaveLength(3);
  });

  it('is idle when nothing runs and nothing is wanted now', async () => {
    const { reconciler, end } = held({ concurrency: 1 });
    await reconciler.idle();
    reconciler.mark('a');
    reconciler.mark('b');
    let idle = false;
    void reconciler.idle().then(() => {
      idle = true;
    });
    await settle();
    reconciler.mark('a');
    await end('a');
    await end('b');
    expect(idle).toBe(false);
    await end('a');
    expect(idle).toBe(true);
    reconciler.mark('a', 50);
    await reconciler.idle();
  });

  it('forgets marks and timers, also of a pass that is under way and will fail', async () => {
    const { reconciler, begun, end } = held({ concurrency: 1 });
    reconciler.mark('a');
    reconciler.mark('b');
    await settle();
    reconciler.mark('a');
    reconciler.mark('c', 10);
    for (const key of ['a', 'b', 'c']) reconciler.forget(key);
    await end('a', new Error('whatever'));
    await vi.advanceTimersByTimeAsync(10 * RETRY_MS);
    expect(begun).toEqual(['a']);
    await reconciler.idle();
  });

  it('stops: lets running passes end, and begins no other', async () => {
    const { reconciler, begun, end } = held({ concurrency: 1 });
    reconciler.mark('a');
    reconciler.mark('b');
    reconciler.mark('c', 10);
    await settle();
    let stopped = false;
    void reconciler.stop().then(() => {
      stopped = true;
    });
    reconciler.mark('d');
    await settle();
    expect(stopped).toBe(false);
    await end('a', new Error('whatever'));
    await vi.advanceTimersByTimeAsync(10 * RETRY_MS);
    expect(stopped).toBe(true);
    expect(begun).toEqual(['a']);
  });

  it('whatever is marked when, and however passes go: every mark is followed by a pass, within the bounds', async () => {
    const mark = fc.record({
      atMs: fc.nat(2000),
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      delayMs: fc.oneof(fc.constant(0), fc.nat(500)),
    });
    const outcome = fc.record({ takesMs: fc.nat(300), fails: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(mark, { maxLength: 30 }),
        fc.array(outcome, { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 4 }),
        checkRun,
      ),
      { numRuns: 100 },
    );
  });
});

interface Mark {
  readonly atMs: number;
  readonly key: string;
  readonly delayMs: number;
}

/** Plays marks against passes with the given outcomes (the last for all further ones, which then succeed). */
async function checkRun(
  marks: readonly Mark[],
  outcomes: readonly { readonly takesMs: number; readonly fails: boolean }[],
  concurrency: number,
): Promise<void> {
  const started = performance.now();
  const running = new Set<string>();
  const lastBegun = new Map<string, number>();
  let passes = 0;
  const reconciler: Reconciler = createReconciler({
    pass: async (key) => {
      const outcome = outcomes[passes++];
      expect(running.has(key)).toBe(false);
      running.add(key);
      expect(running.size).toBeLessThanOrEqual(concurrency);
      lastBegun.set(key, performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, outcome?.takesMs ?? 0));
      running.delete(key);
      if (outcome?.fails) throw new Error('failed');
    },
    onError: () => {},
    concurrency,
    retryMs: RETRY_MS,
  });
  for (const { atMs, key, delayMs } of marks) setTimeout(() => reconciler.mark(key, delayMs), atMs);
  await vi.advanceTimersByTimeAsync(60_000);
  await reconciler.idle();
  for (const { atMs, key } of marks) expect(lastBegun.get(key)).toBeGreaterThanOrEqual(atMs);
  expect(running.size).toBe(0);
  expect(passes).toBeLessThanOrEqual(marks.length + outcomes.length);
}
