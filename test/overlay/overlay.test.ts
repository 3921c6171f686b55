import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deleteNamespace, isNamespace } from '#netd/kernel/netns.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { fragments, inside, NETWORK, pings, Stage } from './stage.ts';

const run = promisify(execFile);
/** The product mends within two seconds; a machine on which much else runs may take its time. */
const SOON_MS = 4000;
/** A life of netd in which packets go on. */
const LIFE_MS = 500;

let stage: Stage;

beforeEach(async () => {
  stage = await Stage.create(2);
  for (const host of stage.hosts) host.start();
});
afterEach(async () => {
  await stage[Symbol.asyncDispose]();
});

test('VTEPs may be IPv6 addresses', async () => {
  await using six = await Stage.create(2, true);
  for (const host of six.hosts) host.start();
  const a = await six.host(1).container('10.100.1.10/24');
  const b = await six.host(2).container('10.100.1.20/24');
  const c = await six.host(2).container('10.100.2.20/24');
  await eventually('a reaches b', () => pings(a, b.ip));
  expect(await pings(b, a.ip)).toBe(true);
  expect(await pings(a, c.ip)).toBe(true);
  const { namespace = '', subnets = [] } = six.host(1).overlays.status().networks[0] ?? {};
  const vxlan = await inside(namespace, 'ip', '-details', 'link', 'show', subnets[0]?.vxlan.name ?? '');
  expect(vxlan).toContain('local fd00:50::1');
  // A restart and a look at all rows find nothing to do: what the kernel tells is what was wanted.
  await six.host(1).restart();
  six.host(1).start();
  await eventually('adopted', () => six.host(1).overlays.status().networks[0]?.adoption?.repairs === 0);
  expect(await pings(a, b.ip)).toBe(true);
});

describe('two hosts', () => {
  test('containers reach each other through VXLAN, both ways, also across subnets', async () => {
    const [one, two] = [stage.host(1), stage.host(2)];
    const [a, b, c] = [
      await one.container('10.100.1.10/24'),
      await two.container('10.100.1.20/24'),
      await two.container('10.100.2.20/24'),
    ];
    await eventually('a reaches b', () => pings(a, b.ip));
    expect(await pings(b, a.ip)).toBe(true);
    expect(await pings(a, c.ip)).toBe(true);
    expect(await pings(c, a.ip)).toBe(true);
    expect(await pings(b, c.ip)).toBe(true);
    // What fits the overlay is cut nowhere; a byte more is cut where it starts.
    const before = await fragments(a.sandbox);
    expect(await pings(a, b.ip, 1450 - 28)).toBe(true);
    expect([await fragments(a.sandbox), await fragments(one.namespace)]).toEqual([before, 0]);
    await pings(a, b.ip, 1450 - 27);
    expect(await fragments(a.sandbox)).toBeGreaterThan(before);
    expect(await fragments(one.namespace)).toBe(0);
  });

  test('an address that moves is found at its new host, also when that is the own one', async () => {
    const [one, two] = [stage.host(1), stage.host(2)];
    const a = await one.container('10.100.1.10/24');
    const b = await two.container('10.100.1.20/24');
    await eventually('a reaches b', () => pings(a, b.ip));
    await two.overlays.deleteEndpoint(b.endpointId);
    const here = await one.container('10.100.1.20/24');
    expect(await pings(a, here.ip)).toBe(true);
    await one.overlays.deleteEndpoint(here.endpointId);
    const there = await two.container('10.100.1.20/24');
    await eventually('a reaches it over there', () => pings(a, there.ip));
    expect(one.overlays.status().drift).toMatchObject({ open: [], total: 0 });
  });

  test('whatever a stranger takes away comes back within two seconds, and is told', async () => {
    const [one, two] = [stage.host(1), stage.host(2)];
    const a = await one.container('10.100.1.10/24');
    const b = await two.container('10.100.1.20/24');
    await eventually('a reaches b', () => pings(a, b.ip));
    const [network] = one.overlays.status().networks;
    const [subnet] = network?.subnets ?? [];
    if (network === undefined || subnet === undefined) throw new Error('no network');
    const { namespace } = network;
    const [vxlan, bridge] = [subnet.vxlan.name, subnet.bridge.name];
    const port = network.endpoints[0]?.port?.name ?? '';
    await eventually('the name of the interface is known', () => one.overlays.endpoints()[0]?.interfaceName === 'eth0');
    const ip = (...argv: string[]) => inside(namespace, 'ip', ...argv);
    const harms: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['forwarding row', () => inside(namespace, 'bridge', 'fdb', 'del', b.mac, 'dev', vxlan, 'dst', two.vtep, 'self')],
      ['neighbour row', () => ip('neigh', 'del', b.ip, 'dev', vxlan)],
      [
        'forwarding elsewhere',
        () =>
          inside(
            namespace,
            'bridge',
            'fdb',
            'replace',
            b.mac,
            'dev',
            vxlan,
            'dst',
            '192.168.50.9',
            'self',
            'permanent',
          ),
      ],
      ['bridge', () => ip('link', 'del', bridge)],
      ['vxlan device', () => ip('link', 'del', vxlan)],
      ['vxlan device down', () => ip('link', 'set', vxlan, 'down')],
      ['port off the bridge', () => ip('link', 'set', port, 'nomaster')],
      ['pair', () => ip('link', 'del', port)],
      ['name of the namespace', () => run('umount', ['-l', namespace])],
      ['file of the namespace', () => run('sh', ['-c', `umount -l ${namespace} && rm ${namespace}`])],
    ];
    for (const [what, harm] of harms) {
      const before = one.overlays.status().drift.total;
      await harm();
      const startMs = performance.now();
      await eventually(`${what} is mended`, () => one.overlays.status().drift.total > before, { timeoutMs: 5000 });
      await eventually(`a reaches b after: ${what}`, () => pings(a, b.ip), { timeoutMs: 5000 });
      expect(performance.now() - startMs, what).toBeLessThan(SOON_MS);
      expect(isNamespace(namespace)).toBe(true);
      expect(one.overlays.status().drift.open).toEqual([]);
    }
    await ip('address', 'del', '10.100.1.1/24', 'dev', bridge);
    await eventually('the gateway is back', async () =>
      (await ip('address', 'show', 'dev', bridge)).includes('10.100.1.1/24'),
    );
    await ip('neigh', 'add', '10.100.1.99', 'lladdr', '02:42:0a:64:01:63', 'dev', vxlan, 'nud', 'permanent');
    await eventually('a row of nobody is gone', async () => !(await ip('neigh')).includes('10.100.1.99'));
  });

  test('a restart adopts what there is, and no packet is lost', async () => {
    const [one, two] = [stage.host(1), stage.host(2)];
    const a = await one.container('10.100.1.10/24');
    const b = await two.container('10.100.1.20/24');
    await eventually('a reaches b', () => pings(a, b.ip));
    const echo = spawn('nsenter', [`--net=${a.sandbox}`, 'busybox', 'ping', '-i', '0.02', b.ip], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const told = text(echo.stdout);
    for (let i = 0; i < 3; i++) {
      await one.restart();
      // Wishes come before gossip does.
      one.overlays.set(one.desired());
      await eventually('it is adopted', () => one.overlays.status().networks[0]?.adoption !== undefined);
      one.overlays.setTables(one.tables);
      await eventually('it is ready', () => one.overlays.status().networks[0]?.hold === undefined);
      expect(one.overlays.status().networks[0]).toMatchObject({
        state: 'ready',
        adoption: { repairs: 0, destructive: 0 },
      });
      expect(one.overlays.status().drift.total).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, LIFE_MS));
    }
    expect(one.overlays.endpoints()).toMatchObject([{ endpointId: a.endpointId, sandboxKey: a.sandbox }]);
    echo.kill('SIGINT');
    // The last one may be on its way.
    const answered = new Set([...(await told).matchAll(/seq=(\d+)/g)].map(([, number]) => Number(number)));
    expect(answered.size).toBeGreaterThan(40);
    expect(Math.max(...answered) + 1).toBe(answered.size);
    expect(stage.gossip.of(NETWORK.id).filter(({ owner }) => owner === one.name)).toHaveLength(1);
  });

  test('nothing is taken away while gossip is silent, nor when all others vanish at once', async () => {
    const [one, two] = [stage.host(1), stage.host(2)];
    const a = await one.container('10.100.1.10/24');
    const b = await two.container('10.100.1.20/24');
    await eventually('a reaches b', () => pings(a, b.ip));
    stage.gossip.fail(two.name);
    await eventually('held', () => one.overlays.status().networks[0]?.hold === 'suddenly-empty');
    expect(await pings(a, b.ip)).toBe(true);
    two.tables = stage.gossip.member(two.name);
    two.overlays.setTables(two.tables);
    one.overlays.setTables(undefined);
    await eventually('held', () => one.overlays.status().networks[0]?.hold === 'no-gossip');
    expect(await pings(a, b.ip)).toBe(true);
    one.overlays.setTables(one.tables);
    await eventually('not held', () => one.overlays.status().networks[0]?.hold === undefined);
    expect(await pings(a, b.ip)).toBe(true);
    expect(one.overlays.status().drift.total).toBe(0);
  });

  test('what cannot be is refused with the reason', async () => {
    const one = stage.host(1);
    const id = 'e'.repeat(64);
    const create = (address: string, networkId = NETWORK.id, mac?: string) =>
      one.overlays.createEndpoint({ networkId, endpointId: id, address, mac });
    await expect(create('10.100.1.5/24', 'nosuch')).rejects.toThrow(/told nothing of it/);
    await expect(create('10.100.3.5/24')).rejects.toThrow('10.100.3.5/24 is in none of its subnets');
    await expect(create('10.100.1.5/16')).rejects.toThrow(/in none of its subnets/);
    await expect(create('10.100.1.1/24')).rejects.toThrow('10.100.1.1 is a gateway');
    await expect(create('10.100.1.255/24')).rejects.toThrow(/of all in it/);
    await expect(create('10.100.1.5')).rejects.toThrow(/not an IPv4 address with prefix length/);
    await expect(create('10.100.1.5/24', NETWORK.id, 'ff:ff:ff:ff:ff:ff')).rejects.toThrow(/no hardware address/);
    await expect(one.overlays.joinEndpoint(id, '/nowhere')).rejects.toThrow(/no endpoint/);
    one.networks = [NETWORK, { ...NETWORK, id: 'secret', name: 'secret', encrypted: true }];
    one.overlays.set(one.desired());
    await expect(create('10.100.1.5/24', 'secret')).rejects.toThrow('encrypted overlay networks are not supported yet');
    // Said again, all of it is fine.
    expect(await create('10.100.1.5/24')).toEqual(await create('10.100.1.5/24'));
    await expect(create('10.100.1.6/24')).rejects.toThrow(/exists already, with address 10.100.1.5/);
    await one.overlays.leaveEndpoint(id);
    await one.overlays.deleteEndpoint(id);
    await one.overlays.deleteEndpoint(id);
  });

  test('a foreign device with our number is named, wherever it hides; one of ours that was left goes', async () => {
    const one = stage.host(1);
    const vxlan = ['type', 'vxlan', 'id', '4097', 'dstport', '4789', 'local', one.vtep];
    await inside(one.namespace, 'ip', 'link', 'add', 'foreign', ...vxlan);
    await expect(one.container('10.100.1.10/24')).rejects.toThrow(
      'VXLAN number 4097 on UDP port 4789 is taken on this host by the device foreign in the namespace of the host',
    );
    expect(one.overlays.status().networks[0]).toMatchObject({ state: 'failed' });
    const left = 'ndx0000000000';
    // In one step: netd, which tries on, would take a number that is free for a moment.
    await inside(one.namespace, 'ip', 'link', 'set', 'foreign', 'name', left, 'alias', 'netd overlay gone vxlan 0');
    await one.container('10.100.1.11/24');
    expect(await inside(one.namespace, 'ip', 'link')).not.toContain(left);
    await eventually('it is well', () => one.overlays.status().networks[0]?.state === 'ready');
  });

  test('the host around a network is looked at: routes, MTU, claims on our addresses', async () => {
    const [one, two] = [stage.host(1), stage.host(2)];
    await inside(one.namespace, 'ip', 'route', 'add', '10.100.0.0/16', 'via', '192.168.50.254');
    await inside(one.namespace, 'ip', 'link', 'set', 'up0', 'mtu', '1400');
    const a = await one.container('10.100.1.10/24');
    const b = await two.container('10.100.1.20/24');
    const claim = { ip: a.ip, prefixLength: 24, mac: a.mac, tunnelIp: two.vtep };
    stage.gossip.peer(two.name, NETWORK.id, 'liar', claim);
    stage.gossip.peer('node9', NETWORK.id, 'twin', { ...claim, ip: b.ip, mac: b.mac, tunnelIp: '192.168.50.9' });
    stage.gossip.put('node9', NETWORK.id, 'overlay_peer_table', 'odd', Buffer.from('0a02ffff', 'hex'));
    await eventually(
      'the twin is followed, being the latest',
      () => one.overlays.status().networks[0]?.peers[0]?.vtep === '192.168.50.9',
    );
    const status = one.overlays.status().networks[0];
    const findings = status?.findings.map(({ code, text }) => `${code}: ${text}`).join('\n');
    expect(findings).toContain('route 10.100.0.0/16 dev up0');
    expect(findings).toContain('up0 carries 1400');
    expect(findings).toContain(`${a.ip} is an address of this host, and claimed by 192.168.50.2`);
    expect(findings).toContain(`${b.ip} is claimed by several hosts`);
    expect(status?.rows.refused).toEqual({ 'local-address': 1, unreadable: 1 });
    stage.gossip.remove(NETWORK.id, 'overlay_peer_table', 'twin');
    await eventually('the true one is followed again', () => pings(a, b.ip));
  });

  test('a program that has the port of VXLAN is named, and the network is built when it ends', async () => {
    const one = stage.host(1);
    const bind = "require('node:dgram').createSocket('udp4').bind(4789, () => console.log('bound'))";
    const holder = spawn('nsenter', [`--net=${one.namespace}`, process.execPath, '-e', bind]);
    await once(holder.stdout, 'data');
    const id = 'f'.repeat(64);
    await one.overlays.createEndpoint({ networkId: NETWORK.id, endpointId: id, address: '10.100.1.5/24' });
    await expect(one.overlays.joinEndpoint(id, '/nosuch')).rejects.toThrow(
      `UDP port 4789, which overlay networks need, is taken by node (process ${holder.pid})`,
    );
    holder.kill();
    await eventually('it stands', () => one.overlays.status().networks[0]?.state === 'ready', { timeoutMs: 5000 });
  });

  test('the name of an interface is known soon after the engine gave it', async () => {
    const one = stage.host(1);
    await one.container('10.100.1.10/24');
    const startMs = performance.now();
    await eventually('known', () => one.overlays.endpoints()[0]?.interfaceName === 'eth0', { intervalMs: 20 });
    // Without a word of the kernel it takes 1.5 s.
    expect(performance.now() - startMs).toBeLessThan(1000);
  });

  test('what is said to the others, and in which order', async () => {
    const one = stage.host(1);
    const row = {
      name: 'web.1',
      service: undefined,
      virtualIp: undefined,
      ingressPorts: [],
      aliases: [],
      taskAliases: [],
    };
    const attachment = { taskId: 't', networkId: NETWORK.id, address: '10.100.1.10/24', mac: undefined };
    const binding = (state: 'pending' | 'active' | 'draining') => {
      one.attachments.splice(0, 1, { ...attachment, binding: { state, row } });
      one.overlays.set(one.desired());
    };
    binding('pending');
    const a = await one.container('10.100.1.10/24');
    for (const state of ['active', 'active', 'draining'] as const) binding(state);
    await one.overlays.deleteEndpoint(a.endpointId);
    const id = a.endpointId;
    expect(stage.gossip.said).toEqual(
      [`peer ${id}`, `endpoint ${id}`, `endpoint ${id} disabled`, `no endpoint ${id}`, `no peer ${id}`].map(
        (text) => `node1 ${text}`,
      ),
    );
    expect(one.tables.networks.has(NETWORK.id)).toBe(true);
    one.attachments.length = 0;
    one.overlays.set(one.desired());
    await eventually('the network is gone', () => one.overlays.status().networks.length === 0);
    expect(one.tables.networks.has(NETWORK.id)).toBe(false);
    expect(readdirSync(`${one.runDir}/netns`)).toEqual([]);
  });

  test('a container that ends without a word is taken for left, but not one that has yet to start', async () => {
    const one = stage.host(1);
    const starting = 'e'.repeat(64);
    await one.overlays.createEndpoint({ networkId: NETWORK.id, endpointId: starting, address: '10.100.1.10/24' });
    await one.overlays.joinEndpoint(starting, '/nosuch');
    one.overlays.sweep();
    const b = await one.container('10.100.1.11/24');
    expect(one.overlays.endpoints()).toHaveLength(2);
    one.laterMs += 61_000;
    one.overlays.sweep();
    await eventually('it has left', () => one.overlays.endpoints().length === 1);
    // One that was seen to run is not waited for.
    await eventually('the other was seen', () => one.overlays.endpoints()[0]?.interfaceName === 'eth0');
    deleteNamespace(b.sandbox);
    await eventually('it has left too, and the network with it', () => one.overlays.status().networks.length === 0);
    expect(stage.gossip.of(NETWORK.id)).toEqual([]);
  });
});
