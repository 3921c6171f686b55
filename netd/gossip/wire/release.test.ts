import { expect, test } from 'vitest';
import { release } from './release.ts';

test('large memory is given back at once, whichever part of it is released', () => {
  const bytes = Buffer.allocUnsafe(1 << 20);
  release(bytes.subarray(100));
  expect(bytes.length).toBe(0);
});

test('what is small stays, as it may share its memory with others', () => {
  const kept = [Buffer.allocUnsafe(100), Buffer.allocUnsafe(20_000), Buffer.from('abc'), Buffer.alloc(100_000)];
  const lengths = kept.map(({ length }) => length);
  for (const bytes of kept) release(bytes);
  expect(kept.map(({ length }) => length)).toEqual(lengths);
});
