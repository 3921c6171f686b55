import { expect, test } from 'vitest';
import { SourceLimit } from './source-limit.ts';

test('a source of garbage is not listened to for the rest of the second, others are', () => {
  const limit = new SourceLimit();
  expect(limit.allows('10.0.0.1', 0)).toBe(true);
  for (let i = 0; i < 200; i++) limit.failed('10.0.0.1');
  expect([limit.allows('10.0.0.1', 900), limit.allows('10.0.0.2', 900)]).toEqual([false, true]);
  expect(limit.allows('10.0.0.1', 1000)).toBe(true);
});

test('forged sources do not fill memory, and do not hide a real one', () => {
  const limit = new SourceLimit();
  limit.allows('x', 0);
  for (let i = 0; i < 100_000; i++) limit.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  expect(limit.allows('192.0.2.1', 10)).toBe(true);
});
