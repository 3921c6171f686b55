import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockStateDirectory } from './state-lock.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'netd-lock-'));
});
afterEach(() => rm(directory, { recursive: true }));

it('locks a state directory against a second agent, until released', async () => {
  const lock = await lockStateDirectory(directory);
  await expect(lockStateDirectory(directory)).rejects.toThrow(/another netd agent uses the state directory/);
  await lock.release();
  const again = await lockStateDirectory(directory);
  await again.release();
});
