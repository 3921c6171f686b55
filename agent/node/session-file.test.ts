import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSessionFile } from './session-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'session-file-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the session file', () => {
  it('gives the newest session of a node to the next run', async () => {
    const file = createSessionFile(dir);
    for (const id of ['one', 'two', 'three']) file.save('node', id);
    await file.flush();
    expect(await createSessionFile(dir).load('node')).toBe('three');
    expect((await stat(join(dir, 'session.json'))).mode & 0o777).toBe(0o600);
  });

  it('gives nothing to another node', async () => {
    const file = createSessionFile(dir);
    file.save('node', 'one');
    await file.flush();
    expect(await file.load('other')).toBe('');
  });

  it.each(['', '{', '{"nodeId":"node"}', '[]'])('takes a damaged file for none: %j', async (text) => {
    await writeFile(join(dir, 'session.json'), text);
    expect(await createSessionFile(dir).load('node')).toBe('');
  });

  it('takes no file for none', async () => {
    expect(await createSessionFile(dir).load('node')).toBe('');
  });

  it('does without a directory it can write to', async () => {
    const file = createSessionFile(join(dir, 'gone'));
    file.save('node', 'one');
    await file.flush();
    expect(await file.load('node')).toBe('');
    await expect(readFile(join(dir, 'gone'))).rejects.toThrow();
  });
});
