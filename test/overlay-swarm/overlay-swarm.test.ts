import { beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON, Services } from '#test/conformance/services.ts';
import { MANAGER_VERSIONS, useHosts } from '#test/conformance/versions.ts';
import type { Host } from '#test/hosts/host.ts';
import { Netd } from '#test/hosts/netd.ts';
import { dockerJoin, swarmNodes } from '#test/hosts/swarm.ts';
import { inside, Mesh, pingThrough } from './mesh.ts';

/** One thing after the other happens to a swarm; the swarms of all versions stand side by side, for most of it is waiting. */
const IN_TURN = { concurrent: false };

/** Overlay networks of swarms with nodes of Docker's and of netd's: after all that happens, everybody finds and reaches everybody. */
describe.concurrent.each(MANAGER_VERSIONS)('an overlay network of netd and Docker $version', (version) => {
  const hosts = useHosts(version);
  const mesh = new Mesh('app');
  let services: Services;
  let docker: Host;
  /** Its engine keeps containers over a restart. */
  let keeper: Netd;
  let plain: Netd;
  let workers: readonly Host[];

  beforeAll(async () => {
    const [swarm, d1, w1, w2] = await Promise.all([
      hosts.swarm('m1'),
      hosts.engineHost('d1'),
      hosts.engineHost('w1', { liveRestore: true }),
      hosts.engineHost('w2'),
    ]);
    docker = d1;
    keeper = new Netd(w1);
    plain = new Netd(w2);
    workers = [d1, w1, w2];
    await Promise.all([dockerJoin(d1, swarm), joined(keeper, swarm), joined(plain, swarm)]);
    services = new Services(swarm.manager);
    await swarm.manager.docker('network', 'create', '--driver', 'overlay', '--attachable', 'app');
    await swarm.manager.docker('network', 'create', '--driver', 'overlay', '--internal', 'back');
    const flags = ['--mode', 'global', '--endpoint-mode', 'dnsrr', '--stop-grace-period', '2s'];
    const alias = 'name=app,alias=everywhere';
    await services.create('each', RUN_ON, [...flags, '--network', alias]);
  });

  test('connects tasks of all nodes, by address and by name', IN_TURN, async () => {
    await mesh.settled(workers, 'each', 3);
  });

  test('has the names of Docker: service, alias, task, short id, qualified, and back', IN_TURN, async () => {
    const members = await mesh.settled(workers, 'each', 3);
    const all = members.map(({ ip }) => ip).sort();
    const wanted = new Map<string, readonly string[]>([
      ...['each', 'EACH', 'everywhere', 'tasks.everywhere', 'each.app', 'each.'].map((name) => [name, all] as const),
      ...members.flatMap(({ name, id, ip }) => [[name, [ip]] as const, [id.slice(0, 12), [ip]] as const]),
      ['nobody', []],
    ]);
    await Promise.all(
      members.map(async (member) => {
        expect([member.host.name, await mesh.resolveAll(member, [...wanted.keys()])]).toEqual([
          member.host.name,
          wanted,
        ]);
        for (const { name, ip } of members) {
          expect(await inside(member, `nslookup ${ip} 127.0.0.11`)).toContain(`${name}.app`);
        }
      }),
    );
  });

  test('publishes the virtual address of a service, and resolves its tasks', IN_TURN, async () => {
    await services.create('vip', RUN_ON, ['--replicas', '3', '--network', 'app', '--stop-grace-period', '2s']);
    await mesh.settled(workers, 'vip', 3);
    const [{ Endpoint = {} } = {}] = JSON.parse(await services.manager.docker('service', 'inspect', 'vip'));
    const vips = Endpoint.VirtualIPs.map(({ Addr }: { Addr: string }) => Addr.split('/')[0]);
    for (const member of await mesh.members(workers, 'each')) {
      expect([member.host.name, await mesh.resolve(member, 'vip')]).toEqual([member.host.name, vips]);
    }
    await services.remove('vip');
  });

  test('follows a service up and down', IN_TURN, async () => {
    const flags = ['--replicas', '2', '--endpoint-mode', 'dnsrr', '--network', 'app', '--stop-grace-period', '1s'];
    await services.create('elastic', RUN_ON, flags);
    for (const count of [9, 3, 6, 1]) {
      await services.manager.docker('service', 'scale', '--detach', `elastic=${count}`);
      await mesh.settled(workers, 'elastic', count);
    }
    await services.remove('elastic');
    await patiently('nobody has the name', async () => {
      for (const member of await mesh.members(workers, 'each')) {
        if ((await mesh.resolve(member, 'tasks.elastic')).length > 0) return false;
      }
      return true;
    });
  });

  test('takes a task out of the names before it stops it', IN_TURN, async () => {
    await services.create('leaver', RUN_ON, ['--endpoint-mode', 'dnsrr', '--network', 'app'], { on: 'w1' });
    const [leaver] = await mesh.settled([keeper.host], 'leaver', 1);
    // Not Docker's resolver: that of 20.10 is silent for seconds about what it does not know.
    const [watcher] = await mesh.members([plain.host], 'each');
    if (leaver === undefined || watcher === undefined) throw new Error('unreachable: one of each');
    await patiently('found', async () => (await mesh.resolve(watcher, 'leaver')).join() === leaver.ip);
    // It calls in the moment the name is gone: the task has two seconds, which connections under way have to notice.
    const watch = `while nslookup leaver 127.0.0.11 | grep -q ' ${leaver.ip}$'; do sleep 0.05; done`;
    const call = `${watch}; ping -c 1 -W 1 ${leaver.ip} >/tmp/call 2>&1`;
    await inside(watcher, `(${call}) >/dev/null 2>&1 </dev/null &`);
    await services.remove('leaver');
    const said = await patiently('it has called', async () => {
      const output = await inside(watcher, 'cat /tmp/call');
      return output.includes('packets transmitted') && output;
    });
    expect(said).toContain(' 1 packets received');
    expect(await mesh.resolve(watcher, 'leaver')).toEqual([]);
  });

  test('puts a task on several networks, the internal one without a way out', IN_TURN, async () => {
    const flags = ['--mode', 'global', '--network', 'app', '--network', 'back', '--endpoint-mode', 'dnsrr'];
    await services.create('two', RUN_ON, [...flags, '--stop-grace-period', '1s']);
    await services.create('inner', RUN_ON, ['--network', 'back', '--mode', 'global', '--stop-grace-period', '1s']);
    await mesh.settled(workers, 'two', 3);
    const back = new Mesh('back');
    for (const member of await back.settled(workers, 'inner', 3)) {
      expect((await back.resolve(member, 'tasks.two')).length).toBe(3);
      expect(await inside(member, 'ip route')).not.toContain('default');
    }
    await services.remove('two', 'inner');
  });

  test('goes on while netd is killed and stopped, and is taken up as it is', IN_TURN, async () => {
    const members = await mesh.settled(workers, 'each', 3);
    const from = members.find(({ host }) => host === docker);
    const to = members.find(({ host }) => host === keeper.host);
    if (from === undefined || to === undefined) throw new Error('unreachable: one on each');
    const ping = await pingThrough(from, to.ip);
    /** More than ten packets are answered from now on, and none between them is lost. */
    const goesOn = async () => {
      const before = (await ping.answered()).length;
      const some = await patiently('pings are answered', async () => {
        const later = (await ping.answered()).slice(before);
        return later.length > 10 && later;
      });
      expect((some.at(-1) ?? 0) - (some[0] ?? 0)).toBe(some.length - 1);
    };
    let startsMs = 0;
    const start = async () => {
      const beganMs = performance.now();
      await keeper.start();
      startsMs += performance.now() - beganMs;
    };
    await keeper.kill();
    await goesOn();
    await start();
    await mesh.settled(workers, 'each', 3);
    await keeper.stop();
    await goesOn();
    await start();
    expect(await mesh.settled(workers, 'each', 3)).toEqual(members);
    const { sent, lost } = await ping.stop();
    expect(sent).toBeGreaterThan(10);
    // Docker nodes drop the rows of the node of that address until those of its new gossip name have come: 0.3 s. Where the
    // machine is so busy that netd takes seconds to start, theirs take longer too.
    expect(lost * 100).toBeLessThan(Math.max(1000, startsMs / 2));
  });

  test('goes on while an engine with live-restore starts anew', IN_TURN, async () => {
    const members = await mesh.settled(workers, 'each', 3);
    await keeper.host.engine.restart();
    expect(await mesh.settled(workers, 'each', 3)).toEqual(members);
    await keeper.host.engine.kill();
    await keeper.host.engine.start();
    expect(await mesh.settled(workers, 'each', 3)).toEqual(members);
  });

  test(
    'is whole again after an engine without live-restore was stopped, and after it was killed',
    IN_TURN,
    async () => {
      await plain.host.engine.restart();
      await mesh.settled(workers, 'each', 3);
      await plain.host.engine.kill();
      await plain.host.engine.start();
      await mesh.settled(workers, 'each', 3);
    },
  );

  test('forgets a Docker node that crashed, and takes it back', IN_TURN, async () => {
    await docker.powerCycle();
    await mesh.settled([keeper.host, plain.host], 'each', 2);
    await docker.engine.start();
    await mesh.settled(workers, 'each', 3);
  });

  test('is forgotten by Docker when a node of netd crashed, and comes back', IN_TURN, async () => {
    await plain.host.powerCycle();
    await mesh.settled([docker, keeper.host], 'each', 2);
    await plain.host.engine.start();
    await plain.start();
    await mesh.settled(workers, 'each', 3);
  });

  test('heals after a partition', IN_TURN, async () => {
    await keeper.host.linkDown();
    await mesh.settled([docker, plain.host], 'each', 2);
    await keeper.host.linkUp();
    await mesh.settled(workers, 'each', 3);
  });

  test('takes in a container that is no task, and gives its address back', IN_TURN, async () => {
    await plain.host.docker(
      'run',
      '--detach',
      '--name',
      'guest',
      '--network-alias',
      'visitor',
      '--network',
      'app',
      'netd/busybox:1',
      'sleep',
      '100000',
    );
    const members = await mesh.settled(workers, 'each', 3);
    const format = '{{.NetworkSettings.Networks.app.IPAddress}}';
    const ip = await plain.host.docker('inspect', '--format', format, 'guest');
    for (const member of members) {
      for (const name of ['guest', 'visitor', 'guest.app']) {
        await patiently(
          `${name} resolves on ${member.host.name}`,
          async () => (await mesh.resolve(member, name)).join() === ip,
        );
      }
      expect(await inside(member, `ping -c 1 -W 1 ${ip}`)).toContain(' 1 packets received');
    }
    await plain.host.docker('rm', '--force', 'guest');
    await patiently('its name is gone', async () => {
      for (const member of members) if ((await mesh.resolve(member, 'guest')).length > 0) return false;
      return true;
    });
    const places = async () => (await plain.run(['inspect', 'tasks', '--json'])).match(/"serviceId":""/g)?.length ?? 0;
    await patiently('its address is given back', async () => (await places()) === 0);
  });

  test('leaves nothing behind on a node that is drained', IN_TURN, async () => {
    await services.manager.docker('node', 'update', '--availability', 'drain', 'w2');
    await mesh.settled([docker, keeper.host], 'each', 2);
    await nothingLeft(plain.host);
    await services.manager.docker('node', 'update', '--availability', 'active', 'w2');
    await mesh.settled(workers, 'each', 3);
    const states = (await swarmNodes(services.manager)).map(({ status }) => status);
    expect(states).toEqual(['Ready', 'Ready', 'Ready', 'Ready']);
  });

  test('leaves nothing behind on a node that leaves', IN_TURN, async () => {
    await plain.run(['leave']);
    await nothingLeft(plain.host);
    await mesh.settled([docker, keeper.host], 'each', 2);
  });
});

/** Waits until the host has no namespace, endpoint, link or engine network of netd's overlays. */
async function nothingLeft(host: Host): Promise<void> {
  const look = 'ls /run/netd/netns /run/netd/endpoints; ip -oneline link | grep -E " nd[bxpc][0-9a-f]{10}" || true';
  await patiently(`nothing is left on ${host.name}`, async () => {
    const rest = (await host.run(['sh', '-c', look])).split('\n').filter((line) => line !== '' && !line.endsWith(':'));
    const networks = await host.docker('network', 'ls', '--filter', 'driver=netd', '--quiet');
    if (rest.length > 0 || networks !== '') throw new Error(`left: ${rest.join()} ${networks}`);
    return true;
  });
}

async function joined(netd: Netd, swarm: Parameters<Netd['join']>[0]): Promise<void> {
  await netd.start();
  await netd.join(swarm);
}
