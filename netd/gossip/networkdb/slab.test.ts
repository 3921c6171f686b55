import { expect, test } from 'vitest';
import { Slab } from './slab.ts';

test('kept values are copies, lie side by side, and never overlap', () => {
  const slab = new Slab();
  const sizes = Array.from({ length: 2000 }, (_, i) => (i * 37) % 300);
  const source = Buffer.alloc(300);
  const kept = sizes.map((size, i) => slab.keep(source.subarray(0, size).fill(i & 255)));
  for (const [i, value] of kept.entries()) expect(value.equals(Buffer.alloc(sizes[i] ?? 0, i & 255))).toBe(true);
  expect(new Set(kept.map((value) => value.buffer)).size).toBeLessThan(30);
});

test('a large value does not hold others in memory, nor they it', () => {
  const slab = new Slab();
  const large = slab.keep(Buffer.alloc(60_000, 1));
  expect(large.buffer.byteLength).toBe(60_000);
  expect(slab.keep(Buffer.from('small')).buffer).not.toBe(large.buffer);
});
