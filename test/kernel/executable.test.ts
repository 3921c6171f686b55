import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The native part of `dist/netd`, on a host that has a C library and nothing else. */

const root = join(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'netd-executable-'));
const bare = join(scratch, 'root');
const probe = join(bare, 'probe');

beforeAll(() => {
  mkdirSync(join(bare, 'state'), { recursive: true, mode: 0o700 });
  mkdirSync(join(bare, 'proc'));
  execFileSync(process.execPath, [
    join(root, 'scripts/build.ts'),
    join(import.meta.dirname, 'probe.fixture.ts'),
    probe,
  ]);
  for (const library of sharedLibraries(probe)) {
    mkdirSync(join(bare, dirname(library)), { recursive: true });
    copyFileSync(library, join(bare, library));
  }
}, 120_000);

afterAll(() => rmSync(scratch, { recursive: true }));

describe('an executable', () => {
  it('carries its native part into a bare root, and leaves nothing of it behind', () => {
    const { stdout, stderr } = inBareRoot('mount -t proc proc "$ROOT/proc"', '/state');
    expect({ stdout, stderr }).toEqual({
      stdout: '{"isElsewhere":true,"names":["lo"]}\n',
      stderr: '',
    });
    expect(readdirSync(join(bare, 'state'))).toEqual([]);
  });

  it('says what to do when no directory will do', () => {
    const noexec = 'mount -t proc proc "$ROOT/proc" && mount -t tmpfs -o noexec tmpfs "$ROOT/state"';
    const { stderr } = inBareRoot(noexec, '/state');
    expect(stderr).toMatch(/the native part koffi cannot be loaded: \/state\/.*; ENOENT.*\/var\/lib\/netd/);
  });
});

/** Runs the probe with nothing but its libraries around it; mounts end with its mount namespace. */
function inBareRoot(prepare: string, directory: string) {
  const script = `mount --make-rprivate / && ${prepare} && exec chroot "$ROOT" /probe ${directory}`;
  return spawnSync('unshare', ['--mount', 'sh', '-c', script], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', ROOT: bare },
  });
}

function sharedLibraries(executable: string): readonly string[] {
  const text = execFileSync('ldd', [executable], { encoding: 'utf8' });
  return [...text.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
}
