import { beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON } from '#test/conformance/services.ts';
import { engineCall } from '#test/conformance/task-container.ts';
import type { Host } from '#test/hosts/host.ts';
import { inside, type Member } from '#test/overlay-swarm/mesh.ts';
import { capture } from './capture.ts';
import { ETHERTYPE_ARP, type Frame, macOf } from './frame.ts';
import { createEverywhere, createNetwork, inNetworkOf, type MixedSwarm, settled, vniOf } from './mixed-swarm.ts';

/** What overlay networks of netd look like on the wire between it and every version of Docker (spec dataplane §10). */

export interface Ground {
  readonly mixed: MixedSwarm;
  /** The task of the service `each` on a host. */
  readonly plain: (host: Host) => Member;
}

/** Hundreds of commands, on a machine that may have much else to do. */
export const BUSY_MS = 300_000;
/** One after the other, beside all else: captures see everything. */
const IN_TURN = { concurrent: false };
const VXLAN = 'udp dst port 4789';
/** The subnets of the network multi. */
const SMALL = '10.12.0.0/28';
const LARGE = '10.13.0.0/24';

/** Between a member in the small subnet and one in the large, of netd's and of a version of Docker's. */
interface Way {
  readonly version: string;
  readonly small: Member;
  readonly large: Member;
}

let mixed: MixedSwarm;
let n1: Host;
let plain: (host: Host) => Member;
let vni: number;

/** The member of netd and one of Docker, both ways. */
function pairs(member: (host: Host) => Member): readonly (readonly [from: Member, to: Member, version: string])[] {
  return mixed.docker.flatMap(({ host, version }) => [
    [member(n1), member(host), `to ${version}`] as const,
    [member(host), member(n1), `from ${version}`] as const,
  ]);
}

/**
 * A network whose first subnet has room for a gateway and thirteen more: most others are of the second one. docker(1) would hand
 * the two on in the order of a Go map.
 */
async function createMulti(): Promise<void> {
  const Config = [SMALL, LARGE].map((Subnet) => ({ Subnet }));
  const network = { Name: 'multi', Driver: 'overlay', Attachable: true, IPAM: { Config } };
  await engineCall(mixed.swarm.manager, 'POST', '/networks/create', network);
}

function isEveryVersion(ways: readonly Way[]): boolean {
  return mixed.docker.every((one) => ways.some(({ version }) => version === one.version));
}

async function ping(from: Member, ip: string, ...flags: readonly string[]) {
  return inNetworkOf(from, 'ping', '-n', '-c', '1', '-W', '2', ...flags, ip);
}

function between(frames: readonly Frame[], from: Member, to: Member): readonly Frame[] {
  return frames.filter(({ vxlan }) => vxlan?.source === from.ip && vxlan.destination === to.ip);
}

/** All pairs at once; what n1 sees of them, each echo with its answer. */
async function echoes(
  member: (host: Host) => Member,
  filter: string,
  ...flags: readonly string[]
): Promise<
  readonly {
    readonly version: string;
    readonly from: Member;
    readonly to: Member;
    readonly there: readonly Frame[];
    readonly back: readonly Frame[];
  }[]
> {
  const all = pairs(member);
  const frames = await capture(
    n1,
    filter,
    async () => {
      const codes = await Promise.all(all.map(async ([from, to]) => (await ping(from, to.ip, ...flags)).exitCode));
      expect(codes, all.map(([, , version]) => version).join()).toEqual(all.map(() => 0));
    },
    // An echo and an answer of each direction.
    { until: (seen) => all.every(([from, to]) => between(seen, from, to).length >= 2) },
  );
  return all.map(([from, to, version]) => ({
    version,
    from,
    to,
    there: between(frames, from, to),
    back: between(frames, to, from),
  }));
}

/** @param ground what `mixed.test.ts` has made: a swarm, and a service with a task on every host of the network plain */
export function describeWire(ground: () => Ground): void {
  describe.concurrent('the wire', { timeout: BUSY_MS }, () => {
    beforeAll(async () => {
      ({ mixed, plain } = ground());
      n1 = mixed.netd[0].host;
      await Promise.all([
        createNetwork(mixed, 'jumbo', '--subnet', '10.15.0.0/24', '--opt', 'com.docker.network.driver.mtu=1400'),
        createMulti(),
      ]);
      await createEverywhere(mixed, 'large', 'jumbo');
      vni = await vniOf(mixed, 'plain');
    });

    test('C-02: VXLAN is as Docker makes it, from the published address', IN_TURN, async () => {
      for (const { version, from, to, there, back } of await echoes(plain, VXLAN)) {
        for (const [a, b, seen] of [
          [from, to, there],
          [to, from, back],
        ] as const) {
          for (const { outer, vxlan } of seen) {
            expect({ version, outer, vxlan }).toMatchObject({
              outer: { source: a.host.address, destination: b.host.address, doNotFragment: false },
              vxlan: { flags: 0x08, reserved: 0, vni, sourceMac: macOf(a.ip), destinationMac: macOf(b.ip) },
            });
          }
        }
      }
    });

    test.each([
      ['C-03', 'each', 'plain', 1450, 1500],
      ['C-04', 'large', 'jumbo', 1350, 1400],
    ])(
      '%s: what just fits goes in one piece, a byte more goes nowhere: %s on %s',
      IN_TURN,
      async (_, service, network, mtu, outer) => {
        const member = service === 'each' ? plain : await settled(mixed, service, network);
        const filter = `${VXLAN} or (ip[6:2] & 0x3fff != 0)`;
        for (const { version, there, back } of await echoes(member, filter, '-M', 'do', '-s', `${mtu - 28}`)) {
          const sizes = [...there, ...back].map((frame) => frame.outer?.bytes);
          expect([version, new Set(sizes)]).toEqual([version, new Set([outer])]);
        }
        await Promise.all(
          pairs(member).map(async ([from, to, version]) => {
            const { exitCode, stdout, stderr } = await ping(from, to.ip, '-M', 'do', '-s', `${mtu - 27}`);
            expect(exitCode, version).not.toBe(0);
            expect(stdout + stderr).toMatch(/message too long/i);
          }),
        );
      },
    );

    test(
      'C-05: a container hears of remote hardware addresses, and no question for one leaves the host',
      IN_TURN,
      async () => {
        const from = plain(n1);
        const others = mixed.hosts.map(plain).filter(({ ip }) => ip !== from.ip);
        const link = /^\d+: (eth\d+).* 10\.11\.0\./m.exec(await inside(from, 'ip -o -4 address'))?.[1] ?? '';
        const arping = (ip: string) => inside(from, `arping -c 1 -w 2 -I ${link} ${ip}`);
        const last = others[0] ?? from;
        // What n1 sends to all, or to one that it was not told of, passes its link.
        const frames = await capture(
          n1,
          `${VXLAN} or (arp and net 10.11.0.0/24)`,
          async () => {
            for (const { ip } of others) expect(await arping(ip)).toContain(`[${macOf(ip)}]`);
            expect(await arping('10.11.0.1')).toMatch(/\[[0-9a-f:]{17}\]/);
            expect(await arping('10.11.0.250')).toContain('Received 0 response');
            await ping(from, last.ip);
          },
          { until: (seen) => between(seen, from, last).length > 0 },
        );
        for (const { etherType, vxlan } of frames) {
          expect(etherType).not.toBe(ETHERTYPE_ARP);
          expect(vxlan?.etherType).not.toBe(ETHERTYPE_ARP);
        }
      },
    );

    test('C-06: the outer source stays the published address when routes prefer another', IN_TURN, async () => {
      const subnet = '10.77.1.0/24';
      const other = '10.77.1.201';
      await n1.run(['ip', 'address', 'add', `${other}/32`, 'dev', 'eth0']);
      const route = (source: string) => n1.run(['ip', 'route', 'replace', subnet, 'dev', 'eth0', 'src', source]);
      await n1.run(['ip', 'route', 'delete', subnet, 'dev', 'eth0', 'proto', 'kernel']);
      await route(other);
      try {
        for (const { version, from, to, there, back } of await echoes(plain, VXLAN)) {
          const sources = (frames: readonly Frame[]) => [...new Set(frames.map(({ outer }) => outer?.source))];
          expect([version, sources(there), sources(back)]).toEqual([version, [from.host.address], [to.host.address]]);
        }
      } finally {
        await route(n1.address);
        await n1.run(['ip', 'address', 'delete', `${other}/32`, 'dev', 'eth0']);
      }
    });

    test('C-07: large transfers arrive whole, both ways, and little is sent twice', IN_TURN, async () => {
      const all = pairs(plain);
      const members = mixed.hosts.map(plain);
      const sums = new Map(
        await Promise.all(
          members.map(async (member) => {
            const make = `dd if=/dev/urandom of=/tmp/bulk bs=1M count=${BULK_MIB} 2>/dev/null; md5sum </tmp/bulk`;
            return [member, (await inside(member, make)).trim()] as const;
          }),
        ),
      );
      const before = await tcpCounters(members);
      await Promise.all(
        all.map(async ([from, to, version], index) => {
          const port = 5001 + index;
          const sum = `/tmp/sum${port}`;
          const take = `nc -l -p ${port} -e sh -c 'md5sum >${sum}.new; mv ${sum}.new ${sum}'`;
          await inside(to, `${take} >/dev/null 2>&1 &`);
          await inside(from, `until nc -w 30 ${to.ip} ${port} </tmp/bulk; do sleep 0.1; done`);
          const arrived = await patiently(`it has arrived: ${version}`, async () => {
            const text = await inside(to, `cat ${sum} 2>/dev/null`);
            return text.includes('-') && text;
          });
          expect([version, arrived.trim()]).toEqual([version, sums.get(from)]);
        }),
      );
      const after = await tcpCounters(members);
      expect(after.checksumErrors - before.checksumErrors).toBe(0);
      const [segments, again] = [after.segments - before.segments, after.again - before.again];
      expect(again, `${again} of ${segments} segments were sent again`).toBeLessThan(segments / 100);
    });

    test('C-08: subnets of one network reach each other, each on its own VXLAN number', IN_TURN, async () => {
      const [ofSmall, ofLarge] = await Promise.all([vniOf(mixed, 'multi', SMALL), vniOf(mixed, 'multi', LARGE)]);
      const isSmall = ({ ip }: Member) => ip.startsWith('10.12.');
      const names = ['first', 'middle', 'last'];
      // A manager mostly fills the first subnet first, but not always.
      let ways: readonly Way[] = [];
      for (let round = 0; round < 3 && !isEveryVersion(ways); round++) {
        if (round > 0) await mixed.services.remove(...names);
        for (const name of names) {
          await createEverywhere(mixed, name, 'multi');
          await mixed.services.running(name, mixed.hosts.length);
        }
        await Promise.all(mixed.docker.map(({ host }) => forwardInOverlays(host)));
        const all = (await Promise.all(names.map((name) => settled(mixed, name, 'multi')))).flatMap((of) =>
          mixed.hosts.map(of),
        );
        const on = (host: Host, small: boolean) => all.find((one) => one.host === host && isSmall(one) === small);
        ways = mixed.docker.flatMap(({ host, version }) => {
          const both = [
            { version, small: on(n1, true), large: on(host, false) },
            { version, small: on(host, true), large: on(n1, false) },
          ];
          return both.filter((way): way is Way => way.small !== undefined && way.large !== undefined);
        });
      }
      expect(isEveryVersion(ways), JSON.stringify(ways.map(({ small, large }) => [small.ip, large.ip]))).toBe(true);
      for (const { version, small, large } of ways) {
        for (const [a, b, there, back] of [
          [small, large, ofLarge, ofSmall],
          [large, small, ofSmall, ofLarge],
        ] as const) {
          const way = `${a.host.name} ${a.ip} to ${b.host.name} ${b.ip}, ${version}`;
          const frames = await capture(
            n1,
            VXLAN,
            async () => {
              expect((await ping(a, b.ip)).exitCode, way).toBe(0);
            },
            { until: (seen) => between(seen, b, a).length > 0 },
          );
          expect([way, between(frames, a, b).map(({ vxlan }) => vxlan?.vni)]).toEqual([way, [there]]);
          expect([way, between(frames, b, a).map(({ vxlan }) => vxlan?.vni)]).toEqual([way, [back]]);
        }
      }
      await mixed.services.remove(...names);
    });

    test('C-20: a hardware address that was chosen is kept, and reached from everywhere', IN_TURN, async () => {
      const run = async (host: Host, number: number): Promise<Member & { readonly mac: string }> => {
        const mac = `02:42:ac:1e:00:0${number}`;
        const flags = ['--detach', '--name', `forced${number}`, '--network', 'plain', '--mac-address', mac];
        const id = await host.docker('run', ...flags, 'netd/busybox:1', 'sh', '-c', RUN_ON);
        const ip = await host.docker('inspect', '--format', '{{.NetworkSettings.Networks.plain.IPAddress}}', id);
        expect(await inside({ host, id }, 'ip link')).toContain(mac);
        return { host, id, name: `forced${number}`, ip, mac };
      };
      const forced = await Promise.all([n1, ...mixed.docker.map(({ host }) => host)].map(run));
      for (const to of forced) {
        for (const host of mixed.hosts) {
          const from = plain(host);
          await patiently(
            `${host.name} reaches ${to.ip} at ${to.mac}`,
            async () => (await ping(from, to.ip)).exitCode === 0,
          );
          expect(await inside(from, `ip neigh show ${to.ip}`)).toContain(to.mac);
        }
      }
      await Promise.all(forced.map(({ host, name }) => host.docker('rm', '--force', name)));
    });
  });
}

/**
 * Docker leaves it to the kernel, which gives new namespaces what the first one of the machine has; there dockerd sets it on a
 * real host.
 */
async function forwardInOverlays(host: Host): Promise<void> {
  const write = 'echo 1 >/proc/sys/net/ipv4/ip_forward';
  await host.run(['sh', '-c', `for ns in /run/docker/netns/1-*; do nsenter --net=$ns sh -c '${write}'; done`]);
}

/** Per direction and version; the machine has few cores and all of them have something else to do. */
const BULK_MIB = 32;

/** Of all together (RFC 4022). */
async function tcpCounters(members: readonly Member[]) {
  const of = async (member: Member) => {
    const [names, values] = (await inside(member, 'cat /proc/net/snmp'))
      .split('\n')
      .filter((line) => line.startsWith('Tcp:'))
      .map((line) => line.split(' '));
    const count = (name: string) => Number(values?.[names?.indexOf(name) ?? -1]);
    return { segments: count('OutSegs'), again: count('RetransSegs'), checksumErrors: count('InCsumErrors') };
  };
  const all = await Promise.all(members.map(of));
  const sum = (pick: (counters: Awaited<ReturnType<typeof of>>) => number) => all.reduce((n, one) => n + pick(one), 0);
  return {
    segments: sum(({ segments }) => segments),
    again: sum(({ again }) => again),
    checksumErrors: sum(({ checksumErrors }) => checksumErrors),
  };
}
