import { beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON } from '#test/conformance/services.ts';
import type { Host } from '#test/hosts/host.ts';
import { inside, type Member, Mesh } from '#test/overlay-swarm/mesh.ts';
import { createEverywhere, createNetwork, type MixedSwarm, settled } from './mixed-swarm.ts';
import { BUSY_MS, type Ground } from './wire.ts';

/** Who is on a network, where and by which names: netd and every version of Docker agree (spec dataplane §10). */

/** Each host of Docker's and the one of netd in turn. */
const MOVES = 20;
const CHANGES = 50;
const COUNTS = [3, 9, 1, 6, 0, 8, 2, 10, 4, 5];
/** Says its name to whoever connects. */
const SERVE = 'trap "exit 0" TERM; while true; do cat /etc/hostname | nc -l -p 7000; done & wait';

let mixed: MixedSwarm;
let n1: Host;
let plain: (host: Host) => Member;

/** @param ground as in `describeWire` */
export function describeMembers(ground: () => Ground): void {
  describe.concurrent('the members of a network', { timeout: BUSY_MS }, () => {
    beforeAll(() => {
      ({ mixed, plain } = ground());
      n1 = mixed.netd[0].host;
    });

    test('C-18: Docker lists the tasks of netd, and netd among the peers', async () => {
      for (const { host, version } of mixed.docker) {
        await patiently(`Docker ${version} lists all`, async () => {
          const [network] = JSON.parse(await host.docker('network', 'inspect', '--verbose', 'plain'));
          const tasks: readonly DockerTask[] = network.Services.each.Tasks;
          const seen = tasks.map(({ Name, EndpointIP, Info }) => `${Name} ${EndpointIP} ${Info['Host IP']}`).sort();
          const wanted = mixed.hosts.map((one) => `${plain(one).name} ${plain(one).ip} ${one.address}`).sort();
          expect(seen).toEqual(wanted);
          const peers: readonly { readonly IP: string }[] = network.Peers;
          expect(peers.map(({ IP }) => IP).sort()).toEqual(mixed.hosts.map(({ address }) => address).sort());
          return true;
        });
      }
    });

    test('C-19: an address that changes hosts is reached at the new one at once', async () => {
      await createNetwork(mixed, 'small', '--subnet', '10.14.0.0/28');
      // A gateway, a member and a load balancer of every node, two to fill up: one address is left.
      await createEverywhere(mixed, 'stay', 'small');
      const flags = ['--endpoint-mode', 'dnsrr', '--network', 'small', '--stop-grace-period', '1s'];
      await mixed.services.create('fill', RUN_ON, ['--replicas', '2', ...flags], { on: 'n2' });
      const stay = await settled(mixed, 'stay', 'small');
      await mixed.services.running('fill', 2);
      const watchers = mixed.hosts.map(stay);
      const places = mixed.docker.flatMap(({ host }) => [n1, host]);
      // It calls everybody from its first moment on; which of the calls is answered first says how long nobody was heard.
      const calls = watchers.map(({ ip }) => `ping -i 0.1 -W 1 ${ip} >/tmp/${ip} 2>&1 &`).join('\n');
      const firstAnswers = watchers
        .map(
          ({ ip }) =>
            `until grep -q seq= /tmp/${ip}; do sleep 0.05; done; echo ${ip} $(grep -m 1 -o 'seq=[0-9]*' /tmp/${ip})`,
        )
        .join('\n');
      for (const host of new Set(places)) {
        await mixed.services.create(`move-${host.name}`, `${calls}\n${RUN_ON}`, ['--replicas', '0', ...flags], {
          on: host.name,
        });
      }
      const addresses = new Set<string>();
      for (let move = 0; move < MOVES; move++) {
        const host = places[move % places.length] ?? n1;
        const service = `move-${host.name}`;
        await mixed.services.update(service, '--replicas', '1');
        const task = await mixed.services.runningTask(service);
        const moved = { host, id: task.containerId };
        addresses.add((await inside(moved, 'ip -o -4 address')).match(/10\.14\.0\.\d+/)?.[0] ?? 'none');
        const first = await inside(moved, firstAnswers);
        for (const { ip, host: at } of watchers) {
          const unheard = new RegExp(`^${ip} seq=(\\d+)$`, 'm').exec(first)?.[1];
          expect(Number(unheard), `unheard calls to ${at.name}, move ${move} to ${host.name}`).toBeLessThan(10);
        }
        await mixed.services.update(service, '--replicas', '0');
        await mixed.services.when(service, 'it has ended', (tasks) => tasks.every(({ state }) => state !== 'running'));
      }
      expect([...addresses]).toHaveLength(1);
    });

    test('C-45: a name that two networks have is the one Docker chooses, and qualified ones are each its own', async () => {
      await Promise.all([createNetwork(mixed, 'aa'), createNetwork(mixed, 'zz')]);
      const flags = ['--replicas', '1', '--endpoint-mode', 'dnsrr', '--stop-grace-period', '1s'];
      await mixed.services.create('of-aa', RUN_ON, [...flags, '--network', 'name=aa,alias=same'], { on: 'n2' });
      await mixed.services.create('of-zz', RUN_ON, [...flags, '--network', 'name=zz,alias=same'], { on: 'd28' });
      for (const order of [
        ['aa', 'zz'],
        ['zz', 'aa'],
      ]) {
        const name = `both-${order[0]}`;
        await createEverywhere(mixed, name, order[0] ?? '', '--network', order[1] ?? '');
        const clients = await patiently(`${name} runs`, async () => {
          const members = await new Mesh('aa').members(mixed.hosts, name);
          return members.length === mixed.hosts.length && members;
        });
        const mesh = new Mesh('aa');
        const [a, z] = [await onlyAddress(mesh, clients, 'same.aa'), await onlyAddress(mesh, clients, 'same.zz')];
        expect(a).not.toBe(z);
        const chosen = new Map<string, readonly string[]>();
        for (const client of clients) chosen.set(client.host.name, await mesh.resolve(client, 'same'));
        // Docker 28 mostly chooses so too, and sometimes the other: nobody can rely on its choice.
        const either = mixed.docker.find(({ version }) => version.startsWith('28.'))?.host.name ?? '';
        expect([a, z]).toContain(chosen.get(either)?.join());
        chosen.delete(either);
        expect([name, ...new Set([...chosen.values()].map(String))]).toEqual([name, a]);
      }
    });

    test('C-48: containers that are no tasks have names everywhere, by name, alias and short id, and back', async () => {
      const hosts = [n1, ...mixed.docker.map(({ host }) => host)];
      const guests = await Promise.all(
        hosts.map(async (host): Promise<Member> => {
          const name = `guest-${host.name}`;
          const flags = ['--detach', '--name', name, '--network', 'plain', '--network-alias', `alias-${host.name}`];
          const id = await host.docker('run', ...flags, 'netd/busybox:1', 'sh', '-c', SERVE);
          const ip = await host.docker('inspect', '--format', '{{.NetworkSettings.Networks.plain.IPAddress}}', id);
          return { host, id, name, ip };
        }),
      );
      const wanted = guests.flatMap(({ host, id, name, ip }) =>
        [name, `${name}.plain`, `alias-${host.name}`, id.slice(0, 12)].map((asked) => `${asked} ${ip}`),
      );
      const ask = wanted
        .map((line) => line.split(' ')[0])
        .map((name) => `echo "? ${name}"; nslookup ${name} 127.0.0.11`);
      const back = guests.map(({ ip }) => `nslookup ${ip} 127.0.0.11 | grep -o 'name = .*'`);
      const call = guests.map(
        ({ name }) =>
          `for i in $(seq 100); do said=$(nc -w 5 ${name} 7000 </dev/null); [ -n "$said" ] && break; sleep 0.1; done; echo $said`,
      );
      await Promise.all(
        [...mixed.hosts.map(plain), ...guests].map(async (client) => {
          await patiently(`all are found from ${client.host.name}`, async () => {
            const said = await inside(client, ask.join('\n'));
            const found = said
              .split('? ')
              .slice(1)
              .map((part) => {
                const addresses = [...part.matchAll(/^Address(?: \d+)?: (\d+\.\d+\.\d+\.\d+)\s*$/gm)].map(
                  (match) => match[1],
                );
                return [part.split('\n')[0], ...new Set(addresses)].join(' ');
              });
            if (found.join('\n') !== wanted.join('\n'))
              throw new Error(`${found.join('\n')}\nof\n${wanted.join('\n')}\n${said}`);
            return true;
          });
          const names = (await inside(client, back.join('\n'))).trim().split('\n');
          expect([client.host.name, names]).toEqual([
            client.host.name,
            guests.map(({ name }) => `name = ${name}.plain`),
          ]);
          const said = (await inside(client, call.join('\n'))).trim().split('\n');
          expect([client.host.name, said]).toEqual([client.host.name, guests.map(({ id }) => id.slice(0, 12))]);
        }),
      );
      await Promise.all(guests.map(({ host, name }) => host.docker('rm', '--force', name)));
    });

    test('after 50 quick changes of scale everybody finds and reaches everybody, and nothing had to be mended', async () => {
      await createNetwork(mixed, 'quick');
      await createEverywhere(mixed, 'watch', 'quick');
      const flags = ['--replicas', '1', '--endpoint-mode', 'dnsrr', '--network', 'quick', '--stop-grace-period', '1s'];
      await mixed.services.create('elastic', RUN_ON, flags);
      const watch = await settled(mixed, 'watch', 'quick');
      for (let change = 0; change < CHANGES; change++) {
        const count = COUNTS[change % COUNTS.length] ?? 1;
        await mixed.services.manager.docker('service', 'scale', '--detach', `elastic=${count}`);
      }
      const last = 7;
      await mixed.services.manager.docker('service', 'scale', '--detach', `elastic=${last}`);
      const mesh = new Mesh('quick');
      const members = await mesh.settled(mixed.hosts, 'elastic', last);
      for (const host of mixed.hosts) {
        const member = watch(host);
        expect([host.name, await mesh.resolve(member, 'tasks.elastic')]).toEqual([
          host.name,
          members.map(({ ip }) => ip).sort(),
        ]);
      }
    });
  });
}

interface DockerTask {
  readonly Name: string;
  readonly EndpointIP: string;
  readonly Info: Readonly<Record<string, string>>;
}

/** The one address that a name has for all of them. */
async function onlyAddress(mesh: Mesh, clients: readonly Member[], name: string): Promise<string> {
  return patiently(`${name} is known`, async () => {
    const found = new Set<string>();
    for (const client of clients) found.add(String(await mesh.resolve(client, name)));
    if (found.size !== 1 || found.has('')) throw new Error(`[${[...found].join('; ')}]`);
    return [...found][0] ?? '';
  });
}
