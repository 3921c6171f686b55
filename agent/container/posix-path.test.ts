import { posix } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { cleanPath } from './posix-path.ts';

it.each([
  ['', '.'],
  ['/', '/'],
  ['/..', '/'],
  ['a/../..', '..'],
  ['/run/secrets/../x', '/run/x'],
  ['//a//b/./c/', '/a/b/c'],
])('%j is %j', (path, expected) => {
  expect(cleanPath(path)).toBe(expected);
});

it('agrees with Node, but for a slash at the end', () => {
  const path = fc.array(fc.constantFrom('a', 'b', '.', '..', '', '/')).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(path, (text) => {
      const normal = posix.normalize(text);
      expect(cleanPath(text)).toBe(normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal);
    }),
  );
});
