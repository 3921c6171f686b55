import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { Host } from '#test/hosts/host.ts';

/** A host on which systemd seems to run: what is asked of it is written down. The executable is netd from its sources. */
async function debian(bed: Bed): Promise<{ readonly host: Host; readonly asked: () => readonly string[] }> {
  const host = await bed.host('a');
  mkdirSync(host.path('/run/systemd/system'), { recursive: true });
  writeFileSync(host.path('/run/asked'), '');
  script(host, '/usr/local/sbin/systemctl', 'echo "$*" >>/run/asked');
  script(host, '/tmp/netd', 'exec /opt/netd/node_modules/.bin/node /opt/netd/agent/main.ts "$@"');
  const asked = () => {
    const words = readFileSync(host.path('/run/asked'), 'utf8').split('\n').filter(Boolean);
    writeFileSync(host.path('/run/asked'), '');
    return words;
  };
  return { host, asked };
}

function script(host: Host, path: string, line: string): void {
  writeFileSync(host.path(path), `#!/bin/sh\n${line}\n`);
  chmodSync(host.path(path), 0o755);
}

const BUILD = ['sh', '/opt/netd/packaging/deb/build.sh', '/tmp/netd', '/tmp'];
const dpkg = (host: Host, ...words: readonly string[]) => host.run(['sh', '-c', `dpkg ${words.join(' ')} 2>&1`]);
/** Every file of the host that packages or scripts could leave; dpkg's own records of what was there are not counted. */
const files = (host: Host) =>
  host.run([
    'sh',
    '-c',
    'find /etc /usr /var/lib /opt -xdev -not -path "/var/lib/dpkg/*" -not -path /var/lib/docker | sort',
  ]);

it('the Debian package: starts nothing unasked, an upgrade lets what ran run anew, a purge leaves the state alone', async () => {
  await using bed = await createBed();
  const { host, asked } = await debian(bed);
  const before = await files(host);
  await host.run(BUILD);

  const installed = await dpkg(host, '--install', '/tmp/netd_*.deb');
  expect(installed).toContain('netd: installed, not started; next: systemctl enable --now netd, then netd join');
  expect(asked()).toEqual(['daemon-reload']);
  expect(await host.run(['/usr/bin/netd', '--version'])).toMatch(/^\d+\.\d+\.\d+/);
  expect(await host.run(['/usr/bin/netd', 'agent', '--check'])).toMatch(/^file +\/etc\/netd\/netd.yaml$/m);
  expect(await host.run(['cat', '/usr/lib/systemd/system/netd.service'])).toContain('ExecStart=/usr/bin/netd agent');
  await host.run(['bash', '-c', 'set -e; source /usr/share/bash-completion/completions/netd; complete -p netd']);

  writeFileSync(host.path('/etc/netd/netd.yaml'), 'log-level: debug\n');
  mkdirSync(host.path('/var/lib/netd/certificates'), { recursive: true });
  await dpkg(host, '--install', '/tmp/netd_*.deb');
  expect(asked()).toEqual(['daemon-reload', 'try-restart netd']);
  expect(readFileSync(host.path('/etc/netd/netd.yaml'), 'utf8')).toBe('log-level: debug\n');

  await dpkg(host, '--remove', 'netd');
  expect(asked()).toEqual(['stop netd', '--quiet disable netd', 'daemon-reload']);
  expect(readFileSync(host.path('/etc/netd/netd.yaml'), 'utf8')).toBe('log-level: debug\n');

  expect(await dpkg(host, '--purge', 'netd')).toContain('netd: /var/lib/netd is kept');
  const kept = ['/var/lib/netd', '/var/lib/netd/certificates'];
  expect((await files(host)).split('\n').filter((path) => !before.split('\n').includes(path))).toEqual(kept);
});

it('the Debian package of a host that never ran netd: a purge leaves nothing', async () => {
  await using bed = await createBed();
  const { host } = await debian(bed);
  const before = await files(host);
  await host.run(BUILD);
  await dpkg(host, '--install', '/tmp/netd_*.deb');
  await dpkg(host, '--purge', 'netd');
  expect(await files(host)).toBe(before);
});
