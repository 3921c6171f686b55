import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeUnfinished, writeFileAtomic } from './atomic-file.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-file-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const modulePath = join(import.meta.dirname, 'atomic-file.ts');
/** A user namespace of our own lets an ordinary user mount a file system small enough to fill. */
const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0;

describe('writeFileAtomic', () => {
  it('makes the file and replaces it, with the mode asked for whatever the umask', async () => {
    const path = join(dir, 'file');
    const umask = process.umask(0o077);
    try {
      await writeFileAtomic(path, 'first', 0o644);
      await writeFileAtomic(path, Buffer.from('second'), 0o640);
    } finally {
      process.umask(umask);
    }
    expect(await readFile(path, 'utf8')).toBe('second');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(dir)).toEqual(['file']);
  });

  it('leaves the old content, and nothing else, when a step fails', async () => {
    const path = join(dir, 'taken');
    await mkdir(join(path, 'not-empty'), { recursive: true });
    await expect(writeFileAtomic(path, 'new', 0o600)).rejects.toMatchObject({ syscall: 'rename' });
    expect(await readdir(dir)).toEqual(['taken']);
    await expect(writeFileAtomic(join(dir, 'no', 'where'), 'new', 0o600)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.skipIf(!canMount)('leaves the old content, and nothing else, when the disk is full', { timeout: 30_000 }, () => {
    const script = `
      import { readdirSync, readFileSync } from 'node:fs';
      import { writeFileAtomic } from ${JSON.stringify(modulePath)};
      const path = ${JSON.stringify(join(dir, 'file'))};
      await writeFileAtomic(path, 'old', 0o600);
      const error = await writeFileAtomic(path, Buffer.alloc(1024 * 1024), 0o600).catch((reason) => reason);
      await writeFileAtomic(path + '2', 'small', 0o600);
      console.log(JSON.stringify([error.code, readFileSync(path, 'utf8'), readdirSync(${JSON.stringify(dir)}).sort()]));
    `;
    const shell = `mount -t tmpfs -o size=64k none "$1" && exec "$2" --input-type=module -e "$3"`;
    const run = spawnSync('unshare', ['-rm', 'sh', '-c', shell, 'sh', dir, process.execPath, script], {
      encoding: 'utf8',
    });
    expect(run.stderr.replaceAll(/.*Warning.*\n/g, '')).toBe('');
    expect(JSON.parse(run.stdout)).toEqual(['ENOSPC', 'old', ['file', 'file2']]);
  });

  it('shows a whole content at every moment, also to those who come after a kill', { timeout: 30_000 }, async () => {
    const path = join(dir, 'file');
    const size = 256 * 1024;
    await writeFile(path, Buffer.alloc(size, 'a'));
    const script = `
      import { writeFileAtomic } from ${JSON.stringify(modulePath)};
      for (let i = 0; ; i++) {
        await writeFileAtomic(${JSON.stringify(path)}, Buffer.alloc(${size}, i % 2 ? 'a' : 'b'), 0o600);
        if (i === 2) console.log('writing');
      }
    `;
    for (let kills = 0; kills < 3; kills++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      for (let reads = 0; reads < 20; reads++) expect(kindOf(await readFile(path), size)).toMatch(/^[ab]$/);
      child.kill('SIGKILL');
      await ended;
      expect(kindOf(await readFile(path), size)).toMatch(/^[ab]$/);
    }
  });
});

describe('removeUnfinished', () => {
  it('removes what a killed write has left, and nothing else', { timeout: 30_000 }, async () => {
    const script = `
      import fs from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      fs.rename = () => process.kill(process.pid, 'SIGKILL');
      syncBuiltinESMExports();
      const { writeFileAtomic } = await import(${JSON.stringify(modulePath)});
      await writeFileAtomic(${JSON.stringify(join(dir, 'file'))}, 'new', 0o600);
    `;
    await once(spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' }), 'exit');
    expect(await readdir(dir)).toEqual([expect.stringMatching(/^file\.[0-9a-f]{8}\.tmp$/)]);
    const others = ['file', 'notes.tmp', 'file.0123456.tmp', 'file.01234567.tmp.kept'];
    for (const name of others) await writeFile(join(dir, name), '');
    await mkdir(join(dir, 'directory.01234567.tmp'));
    await removeUnfinished(dir);
    expect((await readdir(dir)).sort()).toEqual([...others, 'directory.01234567.tmp'].sort());
  });
});

/** The letter a file is made of, if it is whole. */
function kindOf(content: Buffer, size: number): string {
  const [first] = content;
  if (first === undefined || content.length !== size) return `${content.length} bytes`;
  return content.every((byte) => byte === first) ? String.fromCharCode(first) : 'a mixture';
}
