import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { Host } from '#test/hosts/host.ts';
import type { Member } from '#test/overlay-swarm/mesh.ts';
import { capture } from './capture.ts';
import type { Frame } from './frame.ts';
import {
  createEverywhere,
  createNetwork,
  inNetworkOf,
  type MixedSwarm,
  mixedSwarm,
  settled,
  vniOf,
} from './mixed-swarm.ts';

/** A swarm whose overlay networks go by a network of their own and another port (spec dataplane §10). */

const PORT = 7789;
let bed: Bed;
let mixed: MixedSwarm;
let plain: (host: Host) => Member;

beforeAll(async () => {
  bed = await createBed();
  await bed.switch.run(['ip', 'link', 'add', 'second', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0']);
  await bed.switch.run(['ip', 'link', 'set', 'second', 'up']);
  mixed = await mixedSwarm(bed, {
    initFlags: ['--data-path-port', `${PORT}`],
    joinFlags: (host) => ['--data-path-addr', secondAddress(host)],
    prepare: async (host) => {
      const port = `second-${host.name}`;
      const peer = ['type', 'veth', 'peer', 'name', 'eth1', 'netns', `${host.pid}`];
      await bed.switch.run(['ip', 'link', 'add', port, ...peer]);
      await bed.switch.run(['ip', 'link', 'set', port, 'master', 'second', 'up']);
      await host.run(['ip', 'address', 'add', `${secondAddress(host)}/24`, 'dev', 'eth1']);
      await host.run(['ip', 'link', 'set', 'eth1', 'up']);
    },
  });
  await createNetwork(mixed, 'plain', '--subnet', '10.11.0.0/24');
  await createEverywhere(mixed, 'each', 'plain');
  plain = await settled(mixed, 'each', 'plain');
});
afterAll(() => bed?.end());

function secondAddress(host: Host): string {
  return host.address.replace('10.77.1.', '10.78.1.');
}

describe('the data path', () => {
  test('C-28: has the port that the swarm was made with', async () => {
    const vni = await vniOf(mixed, 'plain');
    const { host } = mixed.netd[0];
    expect(await host.run(['ss', '-lnu'])).toMatch(/:7789\s/);
    expect(await host.run(['ss', '-lnu'])).not.toMatch(/:4789\s/);
    for (const { from, to, version } of pairs()) {
      const frames = await capture(
        to.host,
        'udp',
        async () => {
          expect((await inNetworkOf(from, 'ping', '-c', '1', '-W', '2', to.ip)).exitCode, version).toBe(0);
        },
        { link: 'eth1', port: PORT, until: isAnswered(from, to) },
      );
      const seen = frames.flatMap(({ vxlan }) => vxlan ?? []);
      expect([...new Set(seen.map((packet) => packet.vni))]).toEqual([vni]);
      expect(seen.map(({ source }) => source)).toContain(from.ip);
      expect(seen.map(({ source }) => source)).toContain(to.ip);
    }
  });

  test('C-29: goes by the addresses that nodes were given for it', async () => {
    for (const { from, to, version } of pairs()) {
      let second: readonly Frame[] = [];
      const first = await capture(
        to.host,
        'udp',
        async () => {
          second = await capture(
            to.host,
            'udp',
            async () => {
              expect((await inNetworkOf(from, 'ping', '-c', '1', '-W', '2', to.ip)).exitCode, version).toBe(0);
            },
            { link: 'eth1', port: PORT },
          );
        },
        { port: PORT },
      );
      expect(first.flatMap(({ vxlan }) => vxlan ?? [])).toEqual([]);
      const outer = second.filter(({ vxlan }) => vxlan?.source === from.ip).map((frame) => frame.outer);
      expect(outer.length).toBeGreaterThan(0);
      const ends = { source: secondAddress(from.host), destination: secondAddress(to.host) };
      for (const packet of outer) expect(packet).toMatchObject(ends);
    }
  });
});

function isAnswered(from: Member, to: Member) {
  return (frames: readonly Frame[]) =>
    frames.some(({ vxlan }) => vxlan?.source === to.ip && vxlan.destination === from.ip);
}

function pairs(): readonly { readonly from: Member; readonly to: Member; readonly version: string }[] {
  const here = plain(mixed.netd[0].host);
  return mixed.docker.flatMap(({ host, version }) => [
    { from: here, to: plain(host), version: `to ${version}` },
    { from: plain(host), to: here, version: `from ${version}` },
  ]);
}
