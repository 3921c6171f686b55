import { expect, test } from 'vitest';
import { createBed } from '#test/hosts/bed.ts';

test('a full disk costs no identity, and room makes all well', async () => {
  await using bed = await createBed();
  const host = await bed.host('a');
  await host.run(['mkdir', '/state']);
  await host.run(['mount', '-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', '/state']);
  const results = JSON.parse(await host.run(['node', '/opt/netd/test/pki/full-disk.ts', '/state']));
  const refused = { code: 'state-unwritable', kept: true, files: 3 };
  expect(results).toEqual({
    files: expect.any(Number),
    renewal: refused,
    root: refused,
    join: refused,
    after: { code: 'written', kept: false, files: 3 },
  });
  expect(results.files).toBeGreaterThan(0);
});
