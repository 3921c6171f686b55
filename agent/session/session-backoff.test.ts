import { expect, it } from 'vitest';
import { sessionBackoffBoundMs } from './session-backoff.ts';

it('waits below 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 8, 8 … seconds, and nothing before the first failure', () => {
  const bounds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 1_000_000].map(sessionBackoffBoundMs);
  expect(bounds).toEqual([0, 100, 300, 700, 1500, 3100, 6300, 8000, 8000, 8000]);
  expect(sessionBackoffBoundMs(-1)).toBe(0);
});
