import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Every entry of the test list of spec gossip §22 has a test that says its name. */

const root = join(import.meta.dirname, '../..');
const LIST = { C: 15, S: 20, N: 20, F: 30 } as const;

test('each entry of spec gossip §22 has a test named after it', () => {
  const named = new Set<string>();
  for (const room of ['netd/gossip', 'test']) {
    for (const file of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })) {
      if (!/\.test\.ts$|scenarios\//.test(file)) continue;
      const text = readFileSync(join(root, room, file), 'utf8');
      // Titles follow a bracket: test('…', describe('…', and the second one of test.each([…])('….
      for (const [, title = ''] of text.matchAll(/\(\s*['"`]([^'"`]*)/g)) {
        for (const [id] of title.matchAll(/\b[CSNF]\d\d\b/g)) named.add(id);
      }
    }
  }
  const wanted = Object.entries(LIST).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, i) => `${letter}${String(i + 1).padStart(2, '0')}`),
  );
  expect(wanted).toHaveLength(85);
  expect(wanted.filter((id) => !named.has(id))).toEqual([]);
});
