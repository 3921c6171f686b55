import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Says when `sleep` ends, in fake milliseconds from now. */
function observed(ms: number, signal?: AbortSignal) {
  const startedMs = performance.now();
  const seen: { endedAfterMs?: number; error?: unknown } = {};
  systemClock.sleep(ms, signal).then(
    () => {
      seen.endedAfterMs = performance.now() - startedMs;
    },
    (error: unknown) => {
      seen.error = error;
    },
  );
  return seen;
}

describe('systemClock.sleep', () => {
  it.each([0, 1, 20_000, 2 ** 31 - 1, 2 ** 31, 45 * DAY_MS, 90 * DAY_MS])('sleeps %d ms', async (ms) => {
    const seen = observed(ms);
    await vi.advanceTimersByTimeAsync(Math.max(0, ms - 1));
    expect(seen).toEqual(ms === 0 ? { endedAfterMs: 0 } : {});
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.endedAfterMs).toBe(ms);
  });

  it('takes a time in the past for now', async () => {
    const seen = observed(-5);
    await vi.advanceTimersByTimeAsync(0);
    expect(seen).toEqual({ endedAfterMs: 0 });
  });

  it.each([50, 40 * DAY_MS])(
    'rejects with the reason of the signal, %d ms into it, and leaves no timer',
    async (ms) => {
      const scope = new AbortController();
      const seen = observed(100 * DAY_MS, scope.signal);
      await vi.advanceTimersByTimeAsync(ms);
      const why = new Error('enough');
      scope.abort(why);
      await vi.advanceTimersByTimeAsync(0);
      expect(seen.error).toBe(why);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it('does not begin when the signal has aborted already', async () => {
    const seen = observed(10, AbortSignal.abort('no'));
    await vi.advanceTimersByTimeAsync(0);
    expect(seen).toEqual({ error: 'no' });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('systemClock', () => {
  it('keeps intervals apart from the wall clock, which may jump', () => {
    const before = systemClock.monotonicMs();
    vi.setSystemTime(Date.UTC(2001, 0, 1));
    expect(systemClock.now()).toBe(Date.UTC(2001, 0, 1));
    expect(systemClock.monotonicMs() - before).toBeLessThan(1000);
    expect(systemClock.monotonicMs() - before).toBeGreaterThanOrEqual(0);
  });
});
