import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Endpoint } from '#netd/gossip/records.ts';
import type { PathPeer } from '#netd/path/facts.ts';
import { firstFault, type HopStep } from '#netd/path/hop.ts';
import { type PathDeps, tracePath } from '#netd/path/path.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { inside, NETWORK, Stage, type StageContainer, type StageHost } from '#test/overlay/stage.ts';

/** `netd inspect path` on real kernels: whatever is broken along the way, the first thing that is wrong is named. */

let stage: Stage;
let one: StageHost;
let here: StageContainer;
let beside: StageContainer;
let there: StageContainer;
let peer: PathPeer;

beforeEach(async () => {
  stage = await Stage.create(2);
  one = stage.host(1);
  const two = stage.host(2);
  peer = { name: two.name, address: `${two.vtep}:7946`, state: 'alive', status: 'active', sinceMs: 5000 };
  for (const host of stage.hosts) host.start();
  here = await placed(one, 'web.1', '10.100.1.10/24');
  beside = await placed(one, 'web.2', '10.100.1.11/24');
  there = await placed(two, 'db.1', '10.100.1.20/24');
  await eventually('the way is there', async () => (await fault('web.1', there.ip)) === undefined);
});
afterEach(async () => {
  await stage[Symbol.asyncDispose]();
});

describe('a path', () => {
  test('has nothing wrong from end to end, on one host and between two, within a subnet and across', async () => {
    const far = await placed(stage.host(2), 'db.2', '10.100.2.20/24');
    await eventually('it is known', async () => (await fault('web.1', far.ip)) === undefined);
    expect(await steps('web.1', there.ip)).toEqual([
      'interface',
      'route',
      'namespace',
      'port',
      'bridge',
      'vxlan',
      'row',
      'neighbour-row',
      'forwarding-row',
      'underlay',
      'node',
    ]);
    expect(await steps('web.1', far.ip)).toContain('routing');
    expect((await steps('web.1', beside.ip)).slice(-2)).toEqual(['target-port', 'target-interface']);
    expect(await fault('web.1', beside.ip)).toBeUndefined();
  });

  test.each<[string, (a: StageContainer) => readonly string[], HopStep, RegExp]>([
    ['its interface is down', () => ['ip', 'link', 'set', 'eth0', 'down'], 'interface', /eth0 .* is down/],
    ['its address is gone', () => ['ip', 'address', 'flush', 'dev', 'eth0'], 'interface', /has no address/],
    ['its route is gone', () => ['ip', 'route', 'flush', 'dev', 'eth0'], 'route', /no route to 10\.100\.1\.20/],
    [
      'its route leads elsewhere',
      () => ['ip', 'route', 'add', '10.100.1.20/32', 'dev', 'lo'],
      'route',
      /leads elsewhere: .* dev lo/,
    ],
    [
      'it remembers another hardware address',
      () => ['ip', 'neigh', 'replace', '10.100.1.20', 'lladdr', '02:42:00:00:00:99', 'dev', 'eth0'],
      'neighbour',
      /remembers 10\.100\.1\.20 at 02:42:00:00:00:99/,
    ],
  ])('names what is wrong in the container: %s', async (_, command, step, found) => {
    await inside(here.sandbox, ...command(here));
    expect(await fault('web.1', there.ip)).toMatchObject({ step, found: expect.stringMatching(found) });
  });

  test('names what is wrong in the kernel when netd does not mend it', async () => {
    const [subnet] = one.overlays.status().networks[0]?.subnets ?? [];
    const { namespace = '' } = one.overlays.status().networks[0] ?? {};
    const vxlan = subnet?.vxlan.name ?? '';
    const trace = one.overlays.trace(NETWORK.id, there.ip);
    const beside1 = one.overlays.trace(NETWORK.id, beside.ip);
    // The wish as it was; whoever mends is gone.
    await one.overlays.close();
    const frozen = { ...one.overlays, trace: (_: string, ip: string) => (ip === beside.ip ? beside1 : trace) };
    const broken = async (to: string, ...commands: readonly (readonly string[])[]) => {
      for (const command of commands) await inside(namespace, ...command);
      return firstFault(await tracePath({ ...deps(), overlays: frozen }, 'web.1', to))?.hop;
    };
    expect(await broken(there.ip)).toBeUndefined();
    const fdb = ['bridge', 'fdb', 'replace', there.mac, 'dev', vxlan, 'self', 'permanent', 'dst'];
    expect(await broken(there.ip, [...fdb, '192.168.50.9'])).toMatchObject({
      step: 'forwarding-row',
      found: expect.stringContaining('to host 192.168.50.9, and it is on 192.168.50.2'),
    });
    const dropped = await broken(there.ip, ['bridge', 'fdb', 'delete', there.mac, 'dev', vxlan, 'self']);
    expect(dropped).toMatchObject({ step: 'forwarding-row', found: expect.stringContaining('no forwarding row') });
    const silent = await broken(there.ip, ['ip', 'neigh', 'delete', there.ip, 'dev', vxlan]);
    expect(silent).toMatchObject({ step: 'neighbour-row', found: expect.stringContaining('no neighbour row') });
    const stale = ['ip', 'neigh', 'replace', beside.ip, 'lladdr', there.mac, 'dev', vxlan, 'nud', 'permanent'];
    expect(await broken(beside.ip, stale)).toMatchObject({ step: 'neighbour-row' });
    expect(await broken(there.ip, ['ip', 'link', 'set', vxlan, 'down'])).toMatchObject({ step: 'vxlan' });
    expect(await broken(there.ip, ['ip', 'link', 'set', vxlan, 'nomaster'])).toMatchObject({ step: 'vxlan' });
    const bridge = subnet?.bridge.name ?? '';
    expect(await broken(there.ip, ['ip', 'address', 'flush', 'dev', bridge])).toMatchObject({ step: 'bridge' });
    const port = typeof trace?.view === 'object' ? (trace.view.ports[0]?.inner.name ?? '') : '';
    expect(await broken(there.ip, ['ip', 'link', 'set', port, 'nomaster'])).toMatchObject({ step: 'port' });
    // So that all is taken down in order; what is closed already is not to be closed again.
    one.overlays = { ...one.overlays, close: async () => {} };
    await one.restart();
    one.start();
  });

  test('names what is wrong between the hosts', async () => {
    await inside(one.namespace, 'ip', 'link', 'set', 'up0', 'mtu', '1400');
    expect(await fault('web.1', there.ip)).toMatchObject({
      step: 'underlay',
      found: expect.stringContaining('carries 1400 bytes, and full packets need 1500'),
      mend: expect.stringContaining('com.docker.network.driver.mtu=1400'),
    });
    await inside(one.namespace, 'ip', 'link', 'set', 'up0', 'down');
    expect(await fault('web.1', there.ip)).toMatchObject({
      step: 'underlay',
      found: 'this host has no route to 192.168.50.2: up0 is down',
    });
    await inside(one.namespace, 'ip', 'link', 'set', 'up0', 'up', 'mtu', '1500');
    peer = { ...peer, state: 'suspect', sinceMs: 3000 };
    expect(await fault('web.1', there.ip)).toMatchObject({
      step: 'node',
      found: expect.stringContaining('suspect for 3 s'),
    });
  });

  test('names an address that nobody has, and one on a network of others', async () => {
    expect(await fault('web.1', '10.100.1.99')).toMatchObject({
      step: 'row',
      found: 'no node says where 10.100.1.99 is',
    });
    expect(await fault('web.1', '10.100.1.1')).toBeUndefined();
    expect(await fault('web.1', '192.0.2.1')).toBeUndefined();
    await expect(tracePath(deps(), 'nobody', there.ip)).rejects.toMatchObject({
      code: 'no-such-container',
      mend: 'There are web.1, web.2.',
    });
    await expect(tracePath(deps(), 'web.1', 'nobody')).rejects.toMatchObject({ code: 'no-such-name' });
  });
});

/** A container that the agent knows by name. */
async function placed(host: StageHost, name: string, address: string): Promise<StageContainer> {
  const row: Omit<Endpoint, 'ip' | 'disabled'> = {
    name,
    service: undefined,
    virtualIp: undefined,
    ingressPorts: [],
    aliases: [],
    taskAliases: [],
  };
  const binding = { state: 'active', row } as const;
  host.attachments.push({ taskId: `task of ${name}`, networkId: NETWORK.id, address, mac: undefined, binding });
  host.overlays.set(host.desired());
  return host.container(address);
}

function deps(): PathDeps {
  return {
    overlays: one.overlays,
    dns: { lookup: () => undefined },
    gossip: {
      snapshot: (network) => one.tables.snapshot(network),
      peers: () => [peer],
    },
    desired: () => one.desired(),
    hostNamespace: one.namespace,
  };
}

async function fault(from: string, to: string) {
  return firstFault(await tracePath(deps(), from, to))?.hop;
}

async function steps(from: string, to: string): Promise<readonly HopStep[]> {
  const { walks } = await tracePath(deps(), from, to);
  return walks.flatMap(({ hops }) => hops.map(({ step }) => step));
}
