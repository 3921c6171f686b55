import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isNetdError } from '#base/errors.ts';
import { findRunDir, loadConfig } from './load.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'netd-config-'));
});
afterAll(() => rm(directory, { recursive: true }));

it('reads the file that a flag or NETD_CONFIG names', async () => {
  const path = join(directory, 'a.yaml');
  await writeFile(path, 'state-dir: /from-file\n');
  expect((await loadConfig({ flags: {}, env: {}, configFile: path })).config).toMatchObject({
    stateDir: '/from-file',
    configFile: path,
  });
  expect((await loadConfig({ flags: {}, env: { NETD_CONFIG: path }, configFile: undefined })).config.stateDir).toBe(
    '/from-file',
  );
});

it('insists on a file that was named', async () => {
  const path = join(directory, 'missing.yaml');
  const error = await loadConfig({ flags: {}, env: {}, configFile: path }).catch((thrown: unknown) => thrown);
  expect(isNetdError(error, 'bad-config') && error.message).toMatch(
    /cannot read the configuration file .*missing\.yaml/,
  );
});

it('refuses a directory and a huge file', async () => {
  await expect(loadConfig({ flags: {}, env: {}, configFile: directory })).rejects.toThrow(/EISDIR/);
  const path = join(directory, 'huge.yaml');
  await writeFile(path, '#'.repeat(1024 * 1024 + 1));
  await expect(loadConfig({ flags: {}, env: {}, configFile: path })).rejects.toThrow(/at most 1048576/);
});

it('finds the run directory of a client, whatever else is wrong with the file', async () => {
  const path = join(directory, 'odd.yaml');
  await writeFile(path, 'run-dir: /run/other\nnonsense: 1\n');
  expect(await findRunDir(undefined, {}, path)).toBe('/run/other');
  expect(await findRunDir(undefined, { NETD_RUN_DIR: '/run/env' }, path)).toBe('/run/env');
  expect(await findRunDir('/run/flag', { NETD_RUN_DIR: '/run/env' }, path)).toBe('/run/flag');
  await writeFile(path, 'run-dir: [oops');
  expect(await findRunDir(undefined, {}, path)).toBe('/run/netd');
  await expect(findRunDir('relative', {}, path)).rejects.toThrow(/bad value "relative" for run-dir/);
});
