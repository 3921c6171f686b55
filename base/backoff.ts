import type { Random } from './random.ts';

/**
 * Exponential backoff with full jitter: the n-th failure in a row waits uniform [0, min(maxMs, firstMs + stepMs * 2^(n-1))).
 * Zero failures wait nothing.
 */
export function jitteredBackoffMs(
  failures: number,
  limits: { readonly firstMs: number; readonly stepMs: number; readonly maxMs: number },
  random: Random,
): number {
  if (failures <= 0) return 0;
  // 2^50 ms is past every cap; the bound keeps the power finite for absurd counts.
  const ceilingMs = limits.firstMs + limits.stepMs * 2 ** Math.min(failures - 1, 50);
  return random() * Math.min(limits.maxMs, ceilingMs);
}
