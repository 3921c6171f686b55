import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON, Services } from '#test/conformance/services.ts';
import { startUpstream, type Upstream } from '#test/dns/upstream.ts';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { Host } from '#test/hosts/host.ts';
import { type Netd, startNetd } from '#test/hosts/netd.ts';
import { swarmInit } from '#test/hosts/swarm.ts';
import { Mesh } from '#test/overlay-swarm/mesh.ts';

/** Hosts and networks that do not suit each other: an operator is told which, and why, and what works goes on. */

let bed: Bed;
let manager: Host;
let host: Host;
let netd: Netd;
let services: Services;
let stub: Upstream;

beforeAll(async () => {
  bed = await createBed();
  [manager, host] = await Promise.all([bed.host('m'), bed.host('n')]);
  await Promise.all([manager, host].map((one) => one.engine.start()));
  await host.engine.load();
  // systemd-resolved as a host has it, with nobody behind it that a file would name.
  writeFileSync(host.path('/etc/resolv.conf'), 'nameserver 127.0.0.53\noptions edns0 trust-ad\n');
  stub = await startUpstream(`/proc/${host.pid}/ns/net`, '127.0.0.53');
  const swarm = await swarmInit(manager);
  await manager.docker('node', 'update', '--availability', 'drain', 'm');
  netd = await startNetd(host);
  await netd.join(swarm);
  services = new Services(manager);
});
afterAll(async () => {
  await stub?.[Symbol.asyncDispose]();
  await bed?.end();
});

/** What `netd status` says of a network. */
async function told(code: string, network: string): Promise<string> {
  return patiently(`netd tells of ${code}`, async () => {
    const { stdout } = await netd.exec(['status', '--json']);
    const problems: readonly { readonly code: string; readonly what: string }[] = JSON.parse(stdout).problems;
    const found = problems.find((problem) => problem.code === code && problem.what.includes(network));
    if (found === undefined) throw new Error(JSON.stringify(problems));
    return found.what;
  });
}

async function network(name: string, ...flags: readonly string[]): Promise<void> {
  await manager.docker('network', 'create', '--driver', 'overlay', '--attachable', ...flags, name);
}

async function service(name: string): Promise<void> {
  await services.create(name, RUN_ON, ['--endpoint-mode', 'dnsrr', '--network', name, '--stop-grace-period', '1s']);
}

describe('bad input', () => {
  test('a subnet that overlaps a route of the host: the route is named, and the task runs', async () => {
    await host.run(['ip', 'route', 'add', '10.88.0.0/16', 'via', bed.switch.address]);
    await network('lapping', '--subnet', '10.88.3.0/24');
    await service('lapping');
    await services.running('lapping');
    expect(await told('subnet-overlaps-route', 'lapping')).toMatch(/10\.88\.3\.0\/24 .*10\.88\.0\.0\/16 dev eth0/);
    await host.run(['ip', 'route', 'delete', '10.88.0.0/16']);
  });

  test('an underlay that carries too little: said, with the option that helps', async () => {
    await host.run(['ip', 'link', 'set', 'eth0', 'mtu', '1400']);
    await network('wide');
    await service('wide');
    await services.running('wide');
    const what = await told('underlay-mtu', 'wide');
    expect(what).toContain('eth0 carries 1400');
    expect(what).toContain('--opt com.docker.network.driver.mtu=1400');
    await network('fitting', '--opt', 'com.docker.network.driver.mtu=1400');
    await service('fitting');
    await services.running('fitting');
    const { networks } = JSON.parse(await netd.run(['inspect', 'networks', 'fitting', '--json']));
    expect(networks).toMatchObject([{ name: 'fitting', mtu: 1350, findings: [] }]);
    await host.run(['ip', 'link', 'set', 'eth0', 'mtu', '1500']);
  });

  test('a number that a foreign VXLAN device has: the device is named, left alone, and no task runs', async () => {
    await host.run([
      'ip',
      'link',
      'add',
      'theirs',
      'type',
      'vxlan',
      'id',
      '7000',
      'dstport',
      '4789',
      'local',
      host.address,
    ]);
    await network('clash', '--opt', 'com.docker.network.driver.overlay.vxlanid_list=7000');
    await service('clash');
    const why =
      'VXLAN number 7000 on UDP port 4789 is taken on this host by the device theirs in the namespace of the host';
    expect(await told('network-failed', 'clash')).toContain(why);
    await patiently('the manager hears of it', async () =>
      (await services.ps('clash', '{{.CurrentState}} {{.Error}}')).some((row) => row.includes(why)),
    );
    expect(await host.run(['ip', 'link'])).toContain('theirs');
    await host.run(['ip', 'link', 'delete', 'theirs']);
    await services.running('clash');
    const { problems } = JSON.parse((await netd.exec(['status', '--json'])).stdout) as { problems: { code: string }[] };
    expect(problems.map(({ code }) => code)).not.toContain('network-failed');
  });

  test('options nobody knows change nothing; an MTU that is none is refused in words', async () => {
    await network('odd', '--opt', 'who.knows=what');
    await service('odd');
    await services.running('odd');
    await network('tiny', '--opt', 'com.docker.network.driver.mtu=none');
    await service('tiny');
    await patiently('the manager hears of it', async () =>
      (await services.ps('tiny', '{{.Error}}')).some((row) => row.includes('com.docker.network.driver.mtu=none')),
    );
  });

  test("a host whose only name server is systemd-resolved's stub: containers ask it through netd", async () => {
    await network('names');
    await service('names');
    const { containerId } = await services.runningTask('names');
    const mesh = new Mesh('names');
    expect(await mesh.resolve({ host, id: containerId }, 'www.example')).toEqual(['192.0.2.1']);
    expect(await mesh.resolve({ host, id: containerId }, 'tasks.names')).toHaveLength(1);
    expect(stub.asked).toContain('www.example A udp');
    expect(stub.asked.join()).not.toContain('tasks.names');
  });
});
