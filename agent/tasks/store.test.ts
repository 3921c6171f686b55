import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TaskRecord, TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { eventually } from '#test/fake-manager/eventually.ts';
import { createTaskStore, decodeRecords } from './store.ts';

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'task-store-'));
  path = join(dir, 'tasks.pb');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const record = (id: string, state = TaskState.RUNNING, message = ''): TaskRecord =>
  create(TaskRecordSchema, { task: { id, serviceId: 'service' }, status: { state, message } });
const encoded = (...records: TaskRecord[]): Buffer => {
  const writer = new BinaryWriter();
  for (const one of records) writer.bytes(toBinary(TaskRecordSchema, one));
  return Buffer.from(writer.finish());
};
const loaded = async () => (await createTaskStore(dir).load()).map(({ task, status }) => [task?.id, status?.message]);

describe('createTaskStore', () => {
  it('lets the process end though nothing can be written', () => {
    const script = `
      import { create } from '@bufbuild/protobuf';
      import { createTaskStore } from '#agent/tasks/store.ts';
      import { TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
      const store = createTaskStore('/not/there');
      store.put(create(TaskRecordSchema, { task: { id: 'a' }, status: {} }));
      await store.flush();
      if (!store.problem()) throw new Error('no problem');`;
    const options = { cwd: import.meta.dirname, timeout: 5000, encoding: 'utf8' } as const;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], options);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('has nothing at first, and then what was put, over restarts', async () => {
    const store = createTaskStore(dir);
    expect(await store.load()).toEqual([]);
    store.put(record('a'));
    store.put(record('b'));
    store.put(record('a', TaskState.FAILED, 'new'));
    store.put(record('c'));
    store.remove('c');
    await store.flush();
    expect(await loaded()).toEqual([
      ['a', 'new'],
      ['b', ''],
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(store.problem()).toBeUndefined();
  });

  it('keeps what it loaded when it writes again, and forgets what is removed', async () => {
    await writeFile(path, encoded(record('a'), record('b')));
    const store = createTaskStore(dir);
    await store.load();
    store.put(record('c'));
    store.remove('a');
    await store.flush();
    expect(await loaded()).toEqual([
      ['b', ''],
      ['c', ''],
    ]);
  });

  it('makes one write of many changes, and none of changes that change nothing', async () => {
    const store = createTaskStore(dir);
    for (let i = 0; i < 100; i++) store.put(record('a', TaskState.RUNNING, String(i)));
    await store.flush();
    const first = await stat(path);
    store.put(record('a', TaskState.RUNNING, '99'));
    store.put(record('b'));
    store.remove('b');
    await store.flush();
    const second = await stat(path);
    expect([second.ino, second.mtimeMs]).toEqual([first.ino, first.mtimeMs]); // a write would have replaced the file
    store.put(record('a', TaskState.RUNNING, 'now'));
    await store.flush();
    expect((await stat(path)).ino).not.toBe(first.ino);
  });

  it('writes on its own within a moment', async () => {
    const store = createTaskStore(dir);
    store.put(record('a'));
    const deadline = Date.now() + 20_000;
    while ((await loaded()).length === 0) {
      if (Date.now() > deadline) expect.unreachable('it does not write');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }, 30_000);

  it('goes on without a disk, says so, and writes everything once there is one', async () => {
    const store = createTaskStore(dir);
    store.put(record('a'));
    await store.flush();
    await rename(dir, `${dir}.away`);
    store.put(record('b'));
    await store.flush();
    expect(store.problem()).toContain(`cannot be written to ${path}: ENOENT`);
    store.put(record('c'));
    await rename(`${dir}.away`, dir);
    await eventually(() => store.problem() === undefined, 'it writes again on its own');
    expect((await loaded()).map(([id]) => id)).toEqual(['a', 'b', 'c']);
  }, 30_000);

  it('takes what can be read of a damaged file, sets the rest aside, and says so', async () => {
    const whole = encoded(record('a'), record('b'), record('c'));
    await writeFile(path, whole.subarray(0, whole.length - 3));
    const store = createTaskStore(dir);
    expect((await store.load()).map(({ task }) => task?.id)).toEqual(['a', 'b']);
    expect(store.problem()).toContain('was damaged');
    expect((await readFile(`${path}.unreadable`)).length).toBe(whole.length - 3);
    await store.flush();
    // The two are in the file again, before anything else happens.
    expect((await loaded()).map(([id]) => id)).toEqual(['a', 'b']);
    expect(store.problem()).toContain('was damaged');
  });

  it('says what to do about a file it may not read', async () => {
    await mkdir(path);
    await expect(createTaskStore(dir).load()).rejects.toMatchObject({
      code: 'state-unreadable',
      message: expect.stringContaining(path),
      mend: expect.stringContaining('permissions'),
    });
  });

  it('forgets everything, on disk as well', async () => {
    const store = createTaskStore(dir);
    store.put(record('a'));
    await store.flush();
    store.put(record('b'));
    await store.wipe();
    expect(await readdir(dir)).toEqual([]);
    await store.flush();
    expect(await readdir(dir)).toEqual([]);
    store.put(record('c'));
    await store.flush();
    expect((await loaded()).map(([id]) => id)).toEqual(['c']);
  });

  it('lets everything else have its turn while it encodes many tasks', async () => {
    const store = createTaskStore(dir);
    for (let i = 0; i < 1000; i++) store.put(record(`t${i}`, TaskState.RUNNING, 'x'.repeat(2000)));
    let turns = 0;
    let writing = true;
    const count = () => {
      turns++;
      if (writing) setImmediate(count);
    };
    setImmediate(count);
    await store.flush();
    writing = false;
    expect(turns).toBeGreaterThan(20);
    expect(await loaded()).toHaveLength(1000);
  });
});

describe('decodeRecords', () => {
  it('says where the damage is', () => {
    const good = encoded(record('a'));
    expect(decodeRecords(Buffer.concat([good, Buffer.from([200, 1, 1])]))).toMatchObject({
      records: [{ task: { id: 'a' } }],
      bad: expect.stringMatching(`at offset ${good.length}: `),
    });
  });

  it.each([
    ['no task', create(TaskRecordSchema, { status: {} })],
    ['no task id', create(TaskRecordSchema, { task: {}, status: {} })],
    ['no status', create(TaskRecordSchema, { task: { id: 'a' } })],
  ])('does not take a record with %s', (_, one) => {
    expect(decodeRecords(encoded(one))).toMatchObject({ records: [], bad: expect.stringContaining('offset 0') });
  });

  it('bears any bytes, and reads whole records before them', () => {
    fc.assert(
      fc.property(fc.nat(3), fc.uint8Array({ maxLength: 60 }), (count, junk) => {
        const records = Array.from({ length: count }, (_, i) => record(`t${i}`));
        const found = decodeRecords(Buffer.concat([encoded(...records), junk])).records;
        expect(found.slice(0, count)).toEqual(records);
      }),
    );
  });

  it('reads a file cut anywhere up to the cut', () => {
    const records = [record('a'), record('b'), record('c')];
    const whole = encoded(...records);
    for (let length = 0; length <= whole.length; length++) {
      const { records: found, bad } = decodeRecords(whole.subarray(0, length));
      expect(found).toEqual(records.slice(0, found.length));
      expect(bad === undefined).toBe(encoded(...found).length === length);
    }
  });
});
