import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeCa } from '#test/fake-manager/ca.ts';
import { type Credentials, parseCredentials, withRootBundle } from './credentials.ts';
import { CertificateStore, joinConflict } from './store.ts';
import { diskFiles, type StoreFiles } from './store-files.ts';
import { parseJoinToken } from './token.ts';

const NOW = Date.now();
const ca = new FakeCa();
const issued = (from: FakeCa, nodeId: string, overrides = {}): Credentials =>
  parseCredentials({ rootBundle: from.rootBundle, ...from.issueWithKey(nodeId, 'worker', overrides) }, NOW);

const before = issued(ca, 'node');
const renewed = issued(ca, 'node');
const elsewhere = issued(new FakeCa(), 'other');

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'netd-store-'));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const file = (name: string) => join(stateDir, 'certificates', name);
const open = (files?: StoreFiles) => new CertificateStore(stateDir, files);
const load = () => open().load(NOW);
const expectError = (work: Promise<unknown>, code: string, text = '') =>
  expect(work).rejects.toMatchObject({ code, message: expect.stringContaining(text), mend: expect.any(String) });

describe('CertificateStore', () => {
  test('has nothing at first, also where there is no state directory', async () => {
    expect(await load()).toBeUndefined();
    expect(await new CertificateStore(join(stateDir, 'none')).load(NOW)).toBeUndefined();
  });

  test('gives back what was installed, readable by its owner alone', async () => {
    await open().install(before);
    expect(await load()).toEqual(before);
    expect(statSync(join(stateDir, 'certificates')).mode & 0o777).toBe(0o700);
    expect(readdirSync(file('')).sort()).toEqual(['swarm-node.crt', 'swarm-node.key', 'swarm-root-ca.crt']);
    for (const name of readdirSync(file(''))) expect(statSync(file(name)).mode & 0o777).toBe(0o600);
    expect(readdirSync(stateDir)).toEqual(['certificates']);
  });

  test('keeps the root byte for byte', async () => {
    const rootBundle = Buffer.concat([Buffer.from('a comment\r\n'), ca.rootBundle, Buffer.from('\n\n')]);
    await open().install(withRootBundle(before, rootBundle, NOW));
    expect(readFileSync(file('swarm-root-ca.crt'))).toEqual(rootBundle);
    expect(Buffer.from((await load())?.rootBundle ?? [])).toEqual(rootBundle);
  });

  test('replaces the certificate, the root, everything, nothing', async () => {
    await open().install(before);
    await open().saveRenewed(renewed);
    expect(await load()).toEqual(renewed);
    const both = withRootBundle(renewed, Buffer.concat([ca.rootBundle, new FakeCa().rootBundle]), NOW);
    await open().saveRoot(both);
    expect(await load()).toEqual(both);
    await open().install(elsewhere);
    expect(await load()).toEqual(elsewhere);
    await open().wipe();
    expect(await load()).toBeUndefined();
    expect(readdirSync(stateDir)).toEqual([]);
    await open().wipe(); // twice is fine
  });

  test('a certificate out of its lifetime is still who the node is', async () => {
    await open().install(before);
    expect(await open().load(before.notAfterMs + 1e9)).toEqual(before);
    expect(await open().load(before.notBeforeMs - 1e9)).toEqual(before);
  });

  test('a certificate of a FIPS cluster is refused', async () => {
    await open().install(issued(new FakeCa('FIPS.abc'), 'node'));
    await expectError(load(), 'fips-required');
  });
});

/** Counts the steps that change something, and from step `last` on lets none happen. */
function failingFrom(last: number, error: () => Error): { files: StoreFiles; steps: () => number } {
  let steps = 0;
  const step =
    <A extends readonly unknown[]>(act: (...args: A) => Promise<void>) =>
    async (...args: A) => {
      if (++steps >= last) throw error();
      await act(...args);
    };
  return {
    steps: () => steps,
    files: {
      read: diskFiles.read,
      list: diskFiles.list,
      write: step(diskFiles.write),
      rename: step(diskFiles.rename),
      remove: step(diskFiles.remove),
      makeDirectory: step(diskFiles.makeDirectory),
      sync: step(diskFiles.sync),
    },
  };
}

const operations: [
  string,
  Credentials | undefined,
  Credentials | undefined,
  (store: CertificateStore) => Promise<void>,
][] = [
  ['a first join', undefined, before, (store) => store.install(before)],
  ['a join over another identity', before, elsewhere, (store) => store.install(elsewhere)],
  ['a renewal', before, renewed, (store) => store.saveRenewed(renewed)],
  ['a wipe', before, undefined, (store) => store.wipe()],
];

describe.each(operations)('a crash during %s', (_name, old, next, operate) => {
  const arrange = async () => {
    if (old) await open().install(old);
  };

  test('leaves the old identity or the new one, whole, whatever the step', async () => {
    const count = failingFrom(Number.POSITIVE_INFINITY, () => new Error('not reached'));
    await arrange();
    await operate(open(count.files));
    expect(count.steps()).toBeGreaterThan(2);
    let turned = false;
    for (let last = 1; last <= count.steps(); last++) {
      rmSync(stateDir, { recursive: true });
      mkdirSync(stateDir);
      await arrange();
      await expect(operate(open(failingFrom(last, () => new Error('power cut')).files))).rejects.toThrow('power cut');
      const found = await load();
      expect([old, next], `crash at step ${last}`).toContainEqual(found);
      // once the new identity shows, no later crash may bring the old one back
      const isNew = found?.serial === next?.serial;
      expect(turned && !isNew, `crash at step ${last}`).toBe(false);
      turned = isNew;
      expect(await load(), 'loaded again').toEqual(found);
      expect(readdirSync(stateDir).filter((name) => name !== 'certificates')).toEqual([]);
    }
    expect(turned).toBe(true);
  });

  test('a crash while recovering loses nothing either', async () => {
    const enough = 10; // no operation has more steps
    for (let last = 1; last <= enough; last++) {
      for (let recovery = 1; recovery <= 3; recovery++) {
        rmSync(stateDir, { recursive: true });
        mkdirSync(stateDir);
        await arrange();
        await operate(open(failingFrom(last, () => new Error('power cut')).files)).catch(() => {});
        await open(failingFrom(recovery, () => new Error('power cut')).files)
          .load(NOW)
          .catch(() => {});
        expect([old, next], `crash at step ${last}, then at ${recovery}`).toContainEqual(await load());
      }
    }
  });
});

test.each(operations.slice(0, 3))(
  'a full disk during %s leaves the old identity and says so',
  async (_name, old, _next, operate) => {
    if (old) await open().install(old);
    const full = () => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const files = { ...diskFiles, write: () => Promise.reject(full()) };
    await expect(operate(open(files))).rejects.toMatchObject({
      code: 'state-unwritable',
      mend: expect.stringContaining('Make room'),
    });
    expect(await load()).toEqual(old);
  },
);

describe('damage', () => {
  beforeEach(() => open().install(before));

  test.each(['swarm-node.crt', 'swarm-node.key', 'swarm-root-ca.crt'])('%s is missing', async (name) => {
    rmSync(file(name));
    await expectError(load(), 'state-damaged', `${name} missing`);
  });
  test.each(['swarm-node.crt', 'swarm-node.key', 'swarm-root-ca.crt'])('%s is empty', async (name) => {
    writeFileSync(file(name), '');
    await expectError(load(), 'state-damaged', file(''));
  });
  test.each(['swarm-node.crt', 'swarm-node.key', 'swarm-root-ca.crt'])('%s is cut in half', async (name) => {
    writeFileSync(
      file(name),
      readFileSync(file(name))
        .subarray(0, 300)
        .subarray(0, name.endsWith('key') ? 120 : 300),
    );
    await expectError(load(), 'state-damaged');
  });
  test('the root is of another swarm', async () => {
    writeFileSync(file('swarm-root-ca.crt'), new FakeCa().rootBundle);
    await expectError(load(), 'state-damaged', 'another swarm');
  });
  test('the key is of another certificate', async () => {
    writeFileSync(file('swarm-node.key'), renewed.keyPem);
    await expectError(load(), 'state-damaged', 'does not belong');
  });
  test('a leftover certificate that fits nothing is dropped', async () => {
    writeFileSync(file('.swarm-node.crt'), 'half a certif');
    expect(await load()).toEqual(before);
    expect(readdirSync(file(''))).toHaveLength(3);
  });
  test('the directory is a file', async () => {
    rmSync(file(''), { recursive: true });
    writeFileSync(join(stateDir, 'certificates'), '');
    await expectError(load(), 'state-unreadable', file('').slice(0, -1));
  });
  test.skipIf(process.getuid?.() === 0)('the directory may not be read', async () => {
    chmodSync(file(''), 0);
    await expectError(load(), 'state-unreadable', 'EACCES');
    chmodSync(file(''), 0o700);
  });
  test('a state directory that cannot be made', async () => {
    const store = new CertificateStore(file('swarm-node.crt'));
    await expectError(store.install(before), 'state-unwritable', 'ENOTDIR');
  });
});

describe('joinConflict', () => {
  test('the same swarm', () => {
    expect(joinConflict(before, parseJoinToken(ca.token('worker')))).toMatchObject({ code: 'already-joined' });
  });
  test('another swarm', () => {
    expect(joinConflict(before, parseJoinToken(new FakeCa().token('worker')))).toMatchObject({
      code: 'other-cluster',
      mend: expect.stringContaining('--force'),
    });
  });
});
