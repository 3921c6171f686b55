import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jitteredBackoffMs } from './backoff.ts';

const limits = { firstMs: 1000, stepMs: 1000, maxMs: 30_000 };

describe('jitteredBackoffMs', () => {
  it('waits nothing without a failure, then below 1 s + 1 s * 2^(n-1), up to the cap', () => {
    const bounds = [0, 1, 2, 3, 4, 5, 6, 7].map((failures) => jitteredBackoffMs(failures, limits, () => 1));
    expect(bounds).toEqual([0, 2000, 3000, 5000, 9000, 17_000, 30_000, 30_000]);
  });

  it('spreads over everything below the bound', () => {
    expect(jitteredBackoffMs(3, limits, () => 0)).toBe(0);
    expect(jitteredBackoffMs(3, limits, () => 0.5)).toBe(2500);
  });

  it('stays finite and within the cap however often it failed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -5, max: 2 ** 31 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, draw) => {
          const ms = jitteredBackoffMs(failures, limits, () => draw);
          expect(ms).toBeGreaterThanOrEqual(0);
          expect(ms).toBeLessThanOrEqual(limits.maxMs);
        },
      ),
    );
  });
});
