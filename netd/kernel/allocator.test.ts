import { expect, test } from 'vitest';
import { returnLargeMemory } from './allocator.ts';

test('glibc takes the setting', () => {
  expect(returnLargeMemory()).toBe(true);
});
