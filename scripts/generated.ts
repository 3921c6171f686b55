import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';

/** Fails if proto/gen is not what proto/*.proto generates: the code in the repository is the code of the definitions. */

const root = join(import.meta.dirname, '..');
const kept = join(root, 'proto', 'gen');
const scratch = await mkdtemp(join(tmpdir(), 'netd-generated-'));
try {
  const buf = join(root, 'node_modules', '.bin', 'buf');
  await promisify(execFile)(buf, ['generate', 'proto', '--template', 'proto/buf.gen.yaml', '-o', scratch], {
    cwd: root,
    env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}` },
  });
  const [wanted, found] = await Promise.all([read(join(scratch, 'gen')), read(kept)]);
  const names = new Set([...wanted.keys(), ...found.keys()]);
  const stale = [...names].filter((name) => wanted.get(name) !== found.get(name)).sort();
  if (stale.length > 0) {
    process.stderr.write(`proto/gen is not up to date, run "npm run generate": ${stale.join(', ')}\n`);
    process.exitCode = 1;
  }
} finally {
  await rm(scratch, { recursive: true });
}

/** Every file under the directory with its content, by relative path. */
async function read(directory: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(files.map(async (path) => [relative(directory, path), await readFile(path, 'utf8')] as const)),
  );
}
