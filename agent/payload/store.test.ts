import { mkdtemp, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PayloadStore } from './store.ts';

const TMPFS_MAGIC = 0x0102_1994;
const hasMemory = (await statfs('/dev/shm').catch(() => undefined))?.type === TMPFS_MAGIC;
const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
// Owners can only be given away by root; anybody else may at least keep them.
const isRoot = uid === 0;

describe.skipIf(!hasMemory)('the files of tasks', () => {
  let root = '';
  let store: PayloadStore;

  beforeEach(async () => {
    root = `${await mkdtemp('/dev/shm/netd-payload-')}/tasks`;
    store = await PayloadStore.open(root);
  });
  afterEach(() => rm(root.slice(0, root.lastIndexOf('/')), { recursive: true, force: true }));

  const file = (fileName: string, content: string, mode = 0o440) => ({
    fileName,
    bytes: Buffer.from(content),
    mode,
    uid: isRoot ? 1234 : uid,
    gid: isRoot ? 5678 : gid,
  });

  it('are written with owner and mode, in a directory of root alone', async () => {
    await store.write('task1', [file('secret-a', 'hello', 0o440), file('config-b', '', 0o004)]);
    expect(await readFile(`${root}/task1/secret-a`, 'utf8')).toBe('hello');
    const secret = await stat(`${root}/task1/secret-a`);
    expect([secret.mode & 0o7777, secret.uid, secret.gid]).toEqual([0o440, file('', '').uid, file('', '').gid]);
    expect((await stat(`${root}/task1/config-b`)).mode & 0o7777).toBe(0o004);
    expect((await stat(`${root}/task1`)).mode & 0o7777).toBe(0o700);
    expect((await stat(root)).mode & 0o7777).toBe(0o700);
  });

  it('have their place reserved, and what is written stays', async () => {
    await store.reserve('task1', ['secret-a', 'config-b']);
    expect((await stat(`${root}/task1/secret-a`)).size).toBe(0);
    expect(await store.isWritten('task1')).toBe(false);
    await store.write('task1', [file('secret-a', 'one')]);
    await store.reserve('task1', ['secret-a']);
    expect(await readFile(`${root}/task1/secret-a`, 'utf8')).toBe('one');
    expect(await store.isWritten('task1')).toBe(true);
  });

  it('are replaced whole: who has the old file open or mounted keeps it', async () => {
    await store.write('task1', [file('secret-a', 'one')]);
    const before = await stat(`${root}/task1/secret-a`);
    await writeFile(`${root}/task1/secret-a.tmp`, 'left behind by a crash');
    await store.write('task1', [file('secret-a', 'two')]);
    expect(await readFile(`${root}/task1/secret-a`, 'utf8')).toBe('two');
    expect((await stat(`${root}/task1/secret-a`)).ino).not.toBe(before.ino);
  });

  it('are found by the next life of this process, and removed', async () => {
    await store.write('task1', [file('secret-a', 'one')]);
    await store.reserve('task2', ['secret-a']);
    const next = await PayloadStore.open(root);
    expect([...(await next.list())].sort()).toEqual(['task1', 'task2']);
    expect([await next.isWritten('task1'), await next.isWritten('task2')]).toEqual([true, false]);
    await next.remove('task1');
    await next.remove('task1');
    expect(await next.list()).toEqual(['task2']);
  });

  it('leave nothing for a task that has none', async () => {
    await store.reserve('task1', []);
    await store.write('task1', []);
    expect(await store.list()).toEqual([]);
  });

  it('never lead out of the directory', async () => {
    for (const id of ['..', '', 'a/b', '.hidden']) {
      await expect(store.remove(id)).rejects.toThrow('not an id');
      await expect(store.write(id, [file('a', 'b')])).rejects.toThrow('not an id');
    }
  });

  it.skipIf(!isRoot)("belong to the container's ids when those are mapped", async () => {
    const mapped = await PayloadStore.open(root, { containerRoot: { uid: 100_000, gid: 200_000 } });
    await mapped.write('task1', [file('secret-a', 'x')]);
    const secret = await stat(`${root}/task1/secret-a`);
    expect([secret.uid, secret.gid]).toEqual([101_234, 205_678]);
    for (const path of [root, `${root}/task1`]) {
      const directory = await stat(path);
      expect([directory.mode & 0o7777, directory.uid, directory.gid]).toEqual([0o710, 0, 200_000]);
    }
  });
});
