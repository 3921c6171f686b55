import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
  writeFileSync(host.path('/tmp/netd.notices'), 'the notices of all that is in it\n');
  await host.run(['sh', '-c', 'node /opt/netd/scripts/manual.ts >/tmp/netd.8']);
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

const BUILD = ['sh', '/opt/netd/packaging/package.sh', 'deb', '/tmp/netd', '/tmp'];
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
  // dpkg was told to leave manual pages and documentation out of the roots of test hosts: what is in the package counts.
  const contents = await host.run(['sh', '-c', 'dpkg-deb --contents /tmp/netd_*.deb']);
  expect(contents).toMatch(/ root\/root .* \.\/usr\/share\/man\/man8\/netd\.8\.gz$/m);
  const copyright = await host.run([
    'sh',
    '-c',
    'dpkg-deb --fsys-tarfile /tmp/netd_*.deb | tar xO ./usr/share/doc/netd/copyright',
  ]);
  expect(copyright).toBe('the notices of all that is in it');

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

it('the script installs what lies beside the executable, and what is not there is not missed', async () => {
  await using bed = await createBed();
  const { host, asked } = await debian(bed);
  const directory = host.path('/tmp/given');
  mkdirSync(directory);
  await host.run(['cp', '/tmp/netd', '/opt/netd/systemd/netd.service', '/tmp/given']);
  const install = ['sh', '/opt/netd/packaging/install.sh', '/tmp/given'];
  expect(await host.run(install)).toContain('the service netd is running; next: netd join');
  expect(asked()).toEqual(['daemon-reload', 'enable --quiet netd', 'restart netd']);
  const optional = ['/usr/share/doc/netd/copyright', '/usr/share/man/man8/netd.8', '/etc/netd/netd.yaml'];
  expect(optional.filter((path) => existsSync(host.path(path)))).toEqual([]);

  await host.run(['cp', '/tmp/netd.8', '/tmp/netd.notices', '/opt/netd/packaging/netd.yaml', '/tmp/given']);
  await host.run(install);
  expect(readFileSync(host.path('/usr/share/doc/netd/copyright'), 'utf8')).toBe('the notices of all that is in it\n');
  expect(readFileSync(host.path('/usr/share/man/man8/netd.8'), 'utf8')).toMatch(/^\.TH NETD 8 /m);
  expect(await host.run(['/usr/bin/netd', 'agent', '--check'])).toMatch(/^file +\/etc\/netd\/netd.yaml$/m);
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
