import { expect, test } from 'vitest';
import { release } from './release.ts';

test('a large buffer of its own is given back at once', () => {
  const bytes = Buffer.allocUnsafeSlow(1 << 20);
  release(bytes);
  expect(bytes.length).toBe(0);
});

test('what shares its memory with others, and what is small, stays', () => {
  const large = Buffer.allocUnsafeSlow(1 << 20);
  const kept = [large.subarray(0, 1 << 19), large.subarray(1), Buffer.allocUnsafe(100), Buffer.alloc(1000)];
  const lengths = kept.map(({ length }) => length);
  for (const bytes of kept) release(bytes);
  expect(kept.map(({ length }) => length)).toEqual(lengths);
});
