import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createStateFile, NO_STATE, type NodeState } from './state-file.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'state-file-'));
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(dir, { recursive: true, force: true });
});

const stateOf = (addr: string): NodeState => ({
  ...NO_STATE,
  managers: [{ nodeId: 'm', addr }],
  advertiseAddr: '10.0.0.9',
});

describe('createStateFile', () => {
  it('has nothing at first, and then the newest of what was saved', async () => {
    const file = createStateFile(dir);
    expect(await file.load()).toEqual(NO_STATE);
    file.save(stateOf('10.0.0.1:2377'));
    file.save(stateOf('10.0.0.2:2377'));
    await file.flush();
    expect(await createStateFile(dir).load()).toEqual(stateOf('10.0.0.2:2377'));
    expect((await stat(join(dir, 'state.json'))).mode & 0o777).toBe(0o600);
    await file.wipe();
    expect(await createStateFile(dir).load()).toEqual(NO_STATE);
    expect(file.problem()).toBeUndefined();
  });

  it('passes over what is damaged, and says so', async () => {
    await writeFile(join(dir, 'state.json'), '{"schemaVersion":1,"managers":[{');
    const file = createStateFile(dir);
    expect(await file.load()).toEqual(NO_STATE);
    expect(file.problem()).toContain('damaged');
  });

  it('says when it cannot write, and writes as soon as it can, once', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const stateDir = join(dir, 'not-yet');
    const file = createStateFile(stateDir);
    file.save(stateOf('10.0.0.1:2377'));
    await file.flush();
    expect(file.problem()).toContain('cannot be written');
    file.save(stateOf('10.0.0.2:2377'));
    await file.flush();
    await mkdir(stateDir);
    vi.advanceTimersByTime(1000);
    await file.flush();
    expect(file.problem()).toBeUndefined();
    expect(await createStateFile(stateDir).load()).toEqual(stateOf('10.0.0.2:2377'));
    await rm(join(stateDir, 'state.json'));
    vi.advanceTimersByTime(10_000);
    await file.flush();
    await expect(stat(join(stateDir, 'state.json'))).rejects.toThrow('ENOENT');
  });

  it('forgets what it could not write when the node leaves', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const stateDir = join(dir, 'not-yet');
    const file = createStateFile(stateDir);
    file.save(stateOf('10.0.0.1:2377'));
    await file.flush();
    await file.wipe();
    await mkdir(stateDir);
    vi.advanceTimersByTime(10_000);
    await file.flush();
    expect(await createStateFile(stateDir).load()).toEqual(NO_STATE);
    expect(file.problem()).toBeUndefined();
  });

  it('lets the process end though nothing can be written', () => {
    const script = `
      const { createStateFile, NO_STATE } = await import('#agent/node/state-file.ts');
      const file = createStateFile('/not/there');
      file.save(NO_STATE);
      await file.flush();
      if (!file.problem()) throw new Error('no problem');`;
    const options = { cwd: import.meta.dirname, timeout: 5000, encoding: 'utf8' } as const;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], options);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
