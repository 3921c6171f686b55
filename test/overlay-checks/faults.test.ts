import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '#test/conformance/patiently.ts';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { Host } from '#test/hosts/host.ts';
import type { Netd } from '#test/hosts/netd.ts';
import { inside, type Member, Mesh } from '#test/overlay-swarm/mesh.ts';
import { overlayLog } from './drift.ts';
import { createEverywhere, createNetwork, type MixedSwarm, mixedSwarm, settled, vniOf } from './mixed-swarm.ts';

/** What happens to a node of netd, while Docker of every version looks on (spec dataplane §10). */

/** The bound is two seconds, on a machine that has nothing else to do. */
const REPAIRED_MS = 4000;
/** Longer than the gossip of the others takes to give up a node. */
const DEAD_MS = 15_000;
/** The manager gives up a node after three times as long, and would give it new tasks. */
const HEARTBEAT = ['--dispatcher-heartbeat', '30s'];

let bed: Bed;
let mixed: MixedSwarm;
let netd: Netd;
let n1: Host;
let each: (host: Host) => Member;

beforeAll(async () => {
  bed = await createBed();
  mixed = await mixedSwarm(bed, { initFlags: HEARTBEAT });
  netd = mixed.netd[0];
  n1 = netd.host;
  await createNetwork(mixed, 'plain', '--subnet', '10.11.0.0/24');
  await createEverywhere(mixed, 'each', 'plain');
  each = await settled(mixed, 'each', 'plain');
});
afterAll(() => bed?.end());

interface Ground {
  readonly namespace: string;
  readonly bridge: string;
  readonly vxlan: string;
}

/** The parts of the one overlay network of the host. */
async function ground(): Promise<Ground> {
  const namespace = await n1.run(['sh', '-c', 'echo /run/netd/netns/ov-*']);
  const links = await inNamespace(namespace, 'ip -o link');
  const named = (letter: string) => new RegExp(`: (nd${letter}[0-9a-f]{10})[:@]`).exec(links)?.[1] ?? 'none';
  return { namespace, bridge: named('b'), vxlan: named('x') };
}

async function inNamespace(namespace: string, script: string): Promise<string> {
  return n1.run(['nsenter', `--net=${namespace}`, 'sh', '-c', script]);
}

/** All rows, links and addresses, in the words of ip(8), without what the kernel learns and counts. */
async function state({ namespace, vxlan, bridge }: Ground): Promise<string> {
  const [neighbours, forwarding, links, addresses] = await Promise.all([
    inNamespace(namespace, `ip neigh show dev ${vxlan} nud permanent`),
    inNamespace(namespace, `bridge fdb show dev ${vxlan} | grep ' self permanent'`),
    inNamespace(namespace, `ip -o link | grep -o ' nd[bx][^ ]* .* state [A-Z]*' | sed 's/@[^:]*//'`),
    inNamespace(namespace, `ip -o -4 address show dev ${bridge} | grep -o 'inet [^ ]*'`),
  ]);
  // Every device has a row for its own hardware address.
  const rows = [...neighbours.split('\n'), ...forwarding.split('\n').filter((row) => row.includes(' dst '))];
  return [...rows.sort(), ...links.split('\n').sort(), addresses].join('\n');
}

describe('faults', () => {
  test('C-50: netd is dead for a while, and only names notice; the next life finds nothing to take away', async () => {
    const others = mixed.hosts.filter((host) => host !== n1).map(each);
    const here = each(n1);
    const before = netd.log().length;
    const probes = new Map<Member, readonly string[]>([
      [here, others.map(({ ip }) => ip)],
      ...others.map((one) => [one, [here.ip]] as const),
    ]);
    for (const [from, ips] of probes) {
      const start = ips.map((ip) => `ping -i 0.1 -W 1 ${ip} >/tmp/${ip}.log 2>&1 &`);
      await inside(from, `trap '' HUP; ${start.join(' ')}`);
    }
    const untilMs = performance.now() + DEAD_MS;
    await netd.kill();
    let connections = 0;
    for (const one of mixed.hosts.map(each)) {
      await inside(one, 'while true; do hostname | nc -l -p 7001; done >/dev/null 2>&1 &');
    }
    while (performance.now() < untilMs) {
      for (const other of others) {
        for (const [from, to] of [
          [here, other],
          [other, here],
        ] as const) {
          const said = await inside(from, `nc -w 3 ${to.ip} 7001 </dev/null`);
          expect(said, `${from.host.name} to ${to.host.name}, connection ${connections}`).toBe(
            `${to.id.slice(0, 12)}\n`,
          );
          connections++;
        }
      }
    }
    await netd.start();
    await settled(mixed, 'each', 'plain');
    const counts: { readonly what: string; readonly sent: number; readonly lost: number }[] = [];
    for (const [from, ips] of probes) {
      // Those in the background of a shell do not hear SIGINT.
      await inside(from, 'killall -TERM ping');
      for (const ip of ips) {
        const seen = [...(await inside(from, `cat /tmp/${ip}.log`)).matchAll(/ seq=(\d+) /g)].map((match) =>
          Number(match[1]),
        );
        const sent = (seen.at(-1) ?? -1) + 1;
        counts.push({ what: `${from.host.name} to ${ip}`, sent, lost: sent - new Set(seen).size });
      }
    }
    expect(connections).toBeGreaterThan(2 * others.length);
    console.log(
      `C-50: ${connections} connections; lost of sent: ${counts.map(({ what, lost, sent }) => `${what}: ${lost}/${sent}`).join(', ')}`,
    );
    const log = overlayLog(netd, before);
    expect(log.adoptions.length).toBeGreaterThan(0);
    for (const { destructive } of log.adoptions) expect(destructive).toBe(0);
    expect(log.drifted).toBe(0);
    for (const { what, sent, lost } of counts) {
      expect(sent, what).toBeGreaterThan(DEAD_MS / 200);
      expect(lost, what).toBeLessThan(10);
    }
    expect(await settled(mixed, 'each', 'plain').then((after) => after(n1).id)).toBe(here.id);
  });

  test('C-51: whatever is taken away or added is mended within two seconds, and counted', async () => {
    const here = await ground();
    const { namespace, bridge, vxlan } = here;
    const far = each(mixed.docker[0]?.host ?? n1);
    const whole = await state(here);
    const mac = /lladdr (\S+)/.exec(await inNamespace(namespace, `ip neigh show ${far.ip} dev ${vxlan}`))?.[1] ?? '';
    expect(mac).not.toBe('');
    const rows = whole.split('\n').filter((row) => row.includes('lladdr') || row.includes(' dst ')).length;
    const harms: readonly (readonly [what: string, script: string, counted: number | undefined])[] = [
      ['a neighbour row', `ip neigh delete ${far.ip} dev ${vxlan}`, 1],
      ['a forwarding row', `bridge fdb delete ${mac} dev ${vxlan} dst ${far.host.address} self`, 1],
      ['the address of the bridge', `ip address flush dev ${bridge}`, 1],
      ['a row for nobody', `ip neigh add 10.11.0.77 lladdr 02:42:0a:0b:00:4d dev ${vxlan} nud permanent`, 1],
      ['a way for nobody', `bridge fdb add 02:42:0a:0b:00:4e dev ${vxlan} dst 10.77.1.99 self permanent`, 1],
      ['another hardware address', `ip neigh replace ${far.ip} lladdr 02:42:0a:0b:00:4f dev ${vxlan} nud permanent`, 1],
      ['another way', `bridge fdb replace ${mac} dev ${vxlan} dst 10.77.1.99 self permanent`, 1],
      ['another address', `ip address add 10.11.0.66/24 dev ${bridge}`, 1],
      ['the vxlan device', `ip link delete ${vxlan}`, undefined],
      ['the bridge', `ip link delete ${bridge}`, undefined],
      ['all rows', `ip neigh flush dev ${vxlan} nud permanent`, rows / 2],
      ['a bridge that is down', `ip link set ${bridge} down`, undefined],
    ];
    for (const [what, script, counted] of harms) {
      const before = netd.log().length;
      await inNamespace(namespace, script);
      const startMs = performance.now();
      await patiently(`mended: ${what}`, async () => {
        const now = await state(here);
        if (now !== whole) throw new Error(`now\n${now}\nand it was\n${whole}`);
        return overlayLog(netd, before).drifted > 0;
      });
      expect(performance.now() - startMs, what).toBeLessThan(REPAIRED_MS);
      if (counted !== undefined) expect([what, overlayLog(netd, before).drifted]).toEqual([what, counted]);
    }
    const before = netd.log().length;
    const startMs = performance.now();
    // It may be there again before it can be removed.
    await n1.run([
      'sh',
      '-c',
      `umount -l ${namespace} && { rm ${namespace} 2>/dev/null || mountpoint -q ${namespace}; }`,
    ]);
    await patiently('the namespace has its name again', async () => (await state(here)) === whole);
    expect(performance.now() - startMs, 'the name of the namespace').toBeLessThan(REPAIRED_MS);
    await patiently('it is counted', () => overlayLog(netd, before).drifted === 1);
    await settled(mixed, 'each', 'plain');
  });

  test('C-51: the rules that lead the names of a container to netd come back', async () => {
    const here = each(n1);
    const mesh = new Mesh('plain');
    const pid = await n1.docker('inspect', '--format', '{{.State.Pid}}', here.id);
    const namesOfAll = mixed.hosts.map((host) => each(host).ip).sort();
    expect(await mesh.resolve(here, 'tasks.each')).toEqual(namesOfAll);
    await n1.run(['nsenter', `--net=/proc/${pid}/ns/net`, 'nft', 'flush', 'ruleset']);
    await patiently(
      'names are answered again',
      async () => (await mesh.resolve(here, 'tasks.each')).join() === namesOfAll.join(),
    );
  });

  test('C-56: what a former life left is no obstacle, and what is not of netd is named and left alone', async () => {
    const two = mixed.netd[1];
    const { host } = two;
    const { services, swarm } = mixed;
    await host.powerCycle();
    const others = mixed.hosts.filter((one) => one !== host);
    await new Mesh('plain').settled(others, 'each', others.length);
    const vni = await vniOf(mixed, 'plain');
    const local = ['local', host.address, 'nolearning', 'proxy'].join(' ');
    const foreign = 6000;
    const flags = ['--opt', `com.docker.network.driver.overlay.vxlanid_list=${foreign}`];
    await createNetwork(mixed, 'clash', ...flags);
    // The namespace of a network that is gone, with its number taken over by one that is wanted; and a device nobody knows.
    await host.run([
      'sh',
      '-ec',
      `mkdir -p /run/netd/netns /run/docker/netns
      touch /run/netd/netns/ov-gonegonegonegonegonegone /run/docker/netns/1-stranger
      unshare --net=/run/netd/netns/ov-gonegonegonegonegonegone true
      unshare --net=/run/docker/netns/1-stranger true
      ip link add ndx0123456789 type vxlan id ${vni} dstport 4789 ${local}
      ip link set ndx0123456789 alias 'netd overlay gonegonegonegonegonegone vxlan 0'
      ip link set ndx0123456789 netns /run/netd/netns/ov-gonegonegonegonegonegone
      ip link add vxstranger type vxlan id ${foreign} dstport 4789 ${local}
      ip link set vxstranger netns /run/docker/netns/1-stranger`,
    ]);
    await host.engine.start();
    await two.start();
    await settled(mixed, 'each', 'plain');
    expect(await host.run(['ls', '/run/netd/netns'])).not.toContain('gone');
    expect(overlayLog(two).drifted).toBe(0);
    await services.create('blocked', 'sleep 1000', ['--network', 'clash', '--endpoint-mode', 'dnsrr'], { on: 'n2' });
    const why = 'VXLAN number 6000 on UDP port 4789 is taken on this host by the device vxstranger';
    await patiently('a task says what is in its way', async () => {
      const rows = await services.ps('blocked', '{{.CurrentState}} {{.Error}}');
      const log = two
        .log()
        .split('\n')
        .filter((line) => line.includes('vxstranger')).length;
      if (!rows.some((row) => row.includes(why))) throw new Error(`${log} lines of the log; ${rows.join('; ')}`);
      return true;
    });
    expect(await host.run(['nsenter', '--net=/run/docker/netns/1-stranger', 'ip', 'link'])).toContain('vxstranger');
    await host.run(['nsenter', '--net=/run/docker/netns/1-stranger', 'ip', 'link', 'delete', 'vxstranger']);
    await services.running('blocked');
    await services.remove('blocked');
    expect(swarm.manager.name).toBe('m');
  });
});
