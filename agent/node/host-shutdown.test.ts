import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hostIsGoingDown } from './host-shutdown.ts';

let booted: string;
beforeEach(async () => {
  booted = await mkdtemp(join(tmpdir(), 'netd-shutdown-'));
});
afterEach(() => rm(booted, { recursive: true }));

/** A systemctl that says this, as systemd's does with another exit status for each word. */
async function systemctl(script: string): Promise<string> {
  const path = join(booted, 'systemctl');
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

it.each([
  ['test "$1" = is-system-running && echo stopping; exit 1', true],
  ['echo running', false],
  ['echo degraded; exit 1', false],
  ['exit 127', false],
  ['exec sleep 60', false],
])('takes the word of systemd: %s', async (script, expected) => {
  expect(await hostIsGoingDown({ booted, systemctl: await systemctl(script) })).toBe(expected);
});

it('takes a host without systemd, or without its command, for one that stays', async () => {
  const says = await systemctl('echo stopping');
  expect(await hostIsGoingDown({ booted: join(booted, 'none'), systemctl: says })).toBe(false);
  expect(await hostIsGoingDown({ booted, systemctl: join(booted, 'none') })).toBe(false);
});
