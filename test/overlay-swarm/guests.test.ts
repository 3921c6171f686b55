import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { statusOf } from '#test/conformance/both-sides.ts';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON, Services } from '#test/conformance/services.ts';
import { ask } from '#test/dns/ask.ts';
import { request } from '#test/dns/packet.ts';
import { seen } from '#test/dns/seen.ts';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { EngineSuite } from '#test/hosts/engine-roots.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { Netd } from '#test/hosts/netd.ts';
import { type Swarm, swarmInit } from '#test/hosts/swarm.ts';
import { inside, type Member, Mesh } from './mesh.ts';

/** What stands beside the tasks of an overlay network: ports of the host, and containers that are started by hand. */

const NODES = ['bookworm', 'sid'] as const satisfies readonly EngineSuite[];
const SLEEP = ['sleep', '100000'];
const dnsDetail = z.object({
  containers: z.array(z.object({ container: z.string(), servers: z.array(z.object({ address: z.string() })) })),
});
const attachmentTasks = z.array(
  z.object({ NetworksAttachments: z.array(z.object({ Network: z.object({ Spec: z.object({ Name: z.string() }) }) })) }),
);
/** Nobody there answers. */
const ENGINE_DNS = '192.0.2.53';
const mesh = new Mesh('app');
let bed: Bed;
let swarm: Swarm;
let services: Services;
/** A container on the manager, whose engine is Docker's own node. */
let peer: Pick<Member, 'host' | 'id'>;
let nodes: Readonly<Record<(typeof NODES)[number], Netd>>;

beforeAll(async () => {
  bed = await createBed({ engine: 'sid' });
  const host = async (name: string, engine: EngineSuite): Promise<Host> => {
    const made = await bed.host(name, { engine });
    await made.engine.start({ daemonJson: { dns: [ENGINE_DNS] } });
    await made.engine.load();
    return made;
  };
  const [manager, old, young] = await Promise.all([
    host('m1', 'sid'),
    host('bookworm', 'bookworm'),
    host('sid', 'sid'),
  ]);
  swarm = await swarmInit(manager);
  services = new Services(manager);
  nodes = { bookworm: new Netd(old), sid: new Netd(young) };
  for (const [name, ...flags] of [['app'], ['back', '--internal']] as const) {
    await manager.docker('network', 'create', '--driver', 'overlay', '--attachable', ...flags, name);
  }
  await Promise.all(
    Object.values(nodes).map(async (netd) => {
      await netd.start();
      await netd.join(swarm);
      await operatorsNetwork(netd.host, 'app');
    }),
  );
  await manager.docker('run', '--detach', '--name', 'peer', '--network', 'app', BUSYBOX, ...SLEEP);
  peer = { host: manager, id: 'peer' };
});
afterAll(() => bed?.end());

describe.each(NODES)('on a node of netd with the engine of %s', (name) => {
  const serve = `mkdir /www; echo hello from ${name} >/www/index.html; httpd -h /www; ${RUN_ON}`;

  test('a port of the host leads to a task on an overlay network', async () => {
    const web = `web-${name}`;
    const publish = ['--publish', 'mode=host,target=80,published=8080', '--network', 'app'];
    await services.create(web, serve, [...publish, '--stop-grace-period', '1s'], { on: name });
    const task = await services.runningTask(web);
    expect(task.ports[0]).toEqual({ target: 80, published: 8080 });
    const [row = ''] = await services.ps(web, '{{.Ports}}');
    expect(row).toMatch(/^\*:8080->80\/tcp(,\*:8080->80\/tcp)?$/);
    const { host } = nodes[name];
    const curl = ['curl', '--silent', '--max-time', '2', '--retry', '20', '--retry-connrefused'];
    expect(await services.manager.run([...curl, `http://${host.address}:8080/`])).toBe(`hello from ${name}`);
    // The overlay serves it as well, by name.
    const fetched = async () => (await inside(peer, `wget -q -O - http://tasks.${web}/`)).trim();
    await patiently('the peer gets the page', async () => (await fetched()) === `hello from ${name}`);
    await services.remove(web);
  });

  test('names of the world are asked of the servers the container has, or else the engine for all', async () => {
    const netd = nodes[name];
    const { host } = netd;
    const asked = `asked-${name}`;
    await services.create(asked, RUN_ON, ['--network', 'app', '--stop-grace-period', '1s'], { on: name });
    await services.runningTask(asked);
    await host.docker('run', '--detach', '--name', 'plain', '--network', 'app', BUSYBOX, ...SLEEP);
    await host.docker('run', '--detach', '--name', 'own', '--dns', '192.0.2.54', '--network', 'app', BUSYBOX, ...SLEEP);
    const wanted: readonly [string, string][] = [
      [asked, ENGINE_DNS],
      ['plain', ENGINE_DNS],
      ['own', '192.0.2.54'],
    ];
    await patiently('each has its servers', async () => {
      const { containers } = dnsDetail.parse(JSON.parse(await netd.run(['inspect', 'dns', '--json'])));
      const seen = wanted.map(([container]) => containers.find((one) => one.container.startsWith(container))?.servers);
      if (wanted.every(([, address], i) => seen[i]?.map((one) => one.address).join() === address)) return true;
      throw new Error(JSON.stringify(seen));
    });
    await services.remove(asked);
    await host.docker('rm', '--force', 'plain', 'own');
  });

  test('a container finds its neighbours on a network of the engine, and those on one of the swarm', async () => {
    const { host } = nodes[name];
    await host.docker('network', 'create', 'lan');
    await host.docker('run', '--detach', '--name', 'neighbour', '--network', 'lan', BUSYBOX, ...SLEEP);
    await host.docker('create', '--name', 'both', '--network', 'app', BUSYBOX, ...SLEEP);
    await host.docker('network', 'connect', 'lan', 'both');
    await host.docker('start', 'both');
    await host.docker('run', '--detach', '--name', 'later', '--network', 'app', BUSYBOX, ...SLEEP);
    await host.docker('network', 'connect', 'lan', 'later');
    const address = await addressOf(host, 'neighbour', 'lan');
    const ofPeer = await addressOf(services.manager, 'peer', 'app');
    const finds = async (id: string, what: string, wanted: string) =>
      patiently(`${id} finds ${what}`, async () => {
        const found = (await mesh.resolve({ host, id }, what)).join();
        if (found === wanted) return true;
        throw new Error(`${what} is ${found}`);
      });
    for (const id of ['both', 'later']) {
      await finds(id, 'neighbour', address);
      await finds(id, 'neighbour.lan', address);
      await finds(id, 'peer', ofPeer);
      expect(await inside({ host, id }, `nslookup ${address} 127.0.0.11`)).toContain('neighbour.lan');
      const { State } = await host.engine.api().getContainer(id).inspect();
      const overTcp = await ask(host.path(`/proc/${State.Pid}/ns/net`), request('neighbour'), { transport: 'tcp' });
      expect(seen(overTcp)).toMatchObject({ rcode: 'NOERROR', answers: [`neighbour A ${address}`] });
    }
    await host.docker('network', 'disconnect', 'lan', 'both');
    await patiently(
      'it has no neighbours any more',
      async () => (await mesh.resolve({ host, id: 'both' }, 'neighbour')).length === 0,
    );
    await finds('both', 'peer', ofPeer);
    await host.docker('rm', '--force', 'both', 'later', 'neighbour');
    await host.docker('network', 'rm', 'lan');
  });

  test('a container keeps the hardware address its user has chosen', async () => {
    const { host } = nodes[name];
    const mac = name === 'sid' ? '02:42:0a:63:00:77' : '02:42:0a:63:00:78';
    await host.docker(
      'run',
      '--detach',
      '--name',
      'chosen',
      '--mac-address',
      mac,
      '--network',
      'app',
      BUSYBOX,
      ...SLEEP,
    );
    expect(await inside({ host, id: 'chosen' }, 'ip link show eth0')).toContain(mac);
    const ip = await addressOf(host, 'chosen', 'app');
    await patiently(
      'the peer reaches it',
      async () => (await ping(peer, ip)) && (await ping({ host, id: 'chosen' }, 'peer')),
    );
    expect(await inside(peer, `ip neigh show ${ip}`)).toContain(mac);
    await host.docker('rm', '--force', 'chosen');
  });

  test('a container stays where it is while its node is drained, as on a node of Docker', async () => {
    const { host } = nodes[name];
    await host.docker('run', '--detach', '--name', 'stays', '--network', 'app', BUSYBOX, ...SLEEP);
    await services.create(`moves-${name}`, RUN_ON, ['--network', 'app', '--stop-grace-period', '1s'], { on: name });
    await services.runningTask(`moves-${name}`);
    await services.manager.docker('node', 'update', '--availability', 'drain', name);
    await services.when(`moves-${name}`, 'shut down', (tasks) => tasks.some(({ state }) => state === 'shutdown'));
    const ip = await addressOf(host, 'stays', 'app');
    expect(await ping(peer, ip)).toBe(true);
    expect(await mesh.resolve(peer, 'stays')).toEqual([ip]);
    await services.manager.docker('node', 'update', '--availability', 'active', name);
    await services.remove(`moves-${name}`);
    await host.docker('rm', '--force', 'stays');
  });

  test('a stopped container starts again though the tasks of its network have gone meanwhile', async () => {
    const { host } = nodes[name];
    const { manager } = services;
    const networks = [`rest-${name}`, `gone-${name}`] as const;
    for (const one of networks) await manager.docker('network', 'create', '--driver', 'overlay', '--attachable', one);
    await manager.docker('network', 'connect', networks[0], 'peer');
    const flags = ['--network', networks[0], '--network', networks[1], '--stop-grace-period', '1s'];
    await services.create(`brief-${name}`, RUN_ON, flags, { on: name });
    await services.runningTask(`brief-${name}`);
    await host.docker('run', '--detach', '--name', 'rests', '--network', networks[0], BUSYBOX, ...SLEEP);
    await host.docker('stop', '--time', '0', 'rests');
    const engineNetworks = async () => (await host.docker('network', 'ls', '--format', '{{.Name}}')).split('\n');
    await services.remove(`brief-${name}`);
    await patiently(
      'the network nobody refers to is gone',
      async () => !(await engineNetworks()).includes(networks[1]),
    );
    await host.docker('start', 'rests');
    const ip = await addressOf(manager, 'peer', networks[0]);
    await patiently('it reaches the peer', () => ping({ host, id: 'rests' }, ip));
    await host.docker('rm', '--force', 'rests');
    await patiently('the other one is gone, too', async () => !(await engineNetworks()).includes(networks[0]));
    await manager.docker('network', 'disconnect', networks[0], 'peer');
    await manager.docker('network', 'rm', ...networks);
  });

  test('a network that is made anew takes the place of the old one, whoever was on that', async () => {
    const { host } = nodes[name];
    const { manager } = services;
    const network = `anew-${name}`;
    const flags = ['--network', network, '--stop-grace-period', '1s'];
    const run = async () => {
      await manager.docker('network', 'create', '--driver', 'overlay', '--attachable', network);
      await services.create(`first-${name}`, RUN_ON, flags, { on: name });
      return services.runningTask(`first-${name}`);
    };
    await run();
    await host.docker('run', '--detach', '--name', 'was', '--network', network, BUSYBOX, ...SLEEP);
    await host.docker('stop', '--time', '0', 'was');
    await services.remove(`first-${name}`);
    await patiently('the swarm lets go of it', () => manager.docker('network', 'rm', network));
    await run();
    expect((await host.exec(['docker', 'start', 'was'])).stderr).toContain('not found');
    await host.docker('network', 'disconnect', '--force', network, 'was');
    await host.docker('network', 'connect', network, 'was');
    await host.docker('start', 'was');
    await services.remove(`first-${name}`);
    await host.docker('rm', '--force', 'was');
    await patiently('the swarm lets go of it again', () => manager.docker('network', 'rm', network));
  });

  test('a container on an internal network has no way out, however the engine network was made', async () => {
    const { host } = nodes[name];
    await operatorsNetwork(host, 'back');
    const run = ['docker', 'run', '--detach', '--name', 'inner', '--network', 'back', BUSYBOX, ...SLEEP];
    const refused = await host.exec(run);
    expect(refused.stderr).toContain('network back is internal');
    await host.docker('rm', '--force', 'inner');
    await host.docker('network', 'rm', 'back');
    await operatorsNetwork(host, 'back', '--internal');
    await host.run(run);
    expect(await inside({ host, id: 'inner' }, 'ip route')).not.toContain('default');
    await host.docker('rm', '--force', 'inner');
    await host.docker('network', 'rm', 'back');
  });
});

test('a manager that does not answer for a while gets every place back, and gives those that are waited for', async () => {
  const { manager } = services;
  await manager.docker('network', 'create', '--driver', 'overlay', '--attachable', 'places');
  const all = Object.values(nodes);
  const places = async () => {
    const filters = JSON.stringify({ runtime: ['attachment'] });
    const tasks = attachmentTasks.parse(await manager.engine.api().listTasks({ filters }));
    return tasks.filter((task) => task.NetworksAttachments.some(({ Network }) => Network.Spec.Name === 'places'))
      .length;
  };
  const run = (host: Host, container: string) =>
    host.docker('run', '--detach', '--name', container, '--network', 'places', BUSYBOX, ...SLEEP);
  const state = async (netd: Netd) => (await statusOf(netd)).cluster.state;
  for (const { host } of all) {
    await operatorsNetwork(host, 'places');
    await run(host, 'ends');
  }
  expect(await places()).toBe(2);
  const goOn = manager.engine.process.pause();
  const asked: Promise<string>[] = [];
  try {
    // One question breaks off with its session, the other one is asked while there is none.
    asked.push(run(nodes.sid.host, 'comes'));
    for (const netd of all) await patiently('the session is over', async () => (await state(netd)) === 'disconnected');
    asked.push(run(nodes.bookworm.host, 'comes'));
    for (const { host } of all) await host.docker('rm', '--force', 'ends');
  } finally {
    goOn();
  }
  await Promise.all(asked);
  await patiently('the places of the containers that are there', async () => (await places()) === 2);
  const ip = await addressOf(nodes.sid.host, 'comes', 'places');
  await patiently('one reaches the other', () => ping({ host: nodes.bookworm.host, id: 'comes' }, ip));
  for (const { host } of all) await host.docker('rm', '--force', 'comes');
  await patiently('no place', async () => (await places()) === 0);
  for (const { host } of all) await host.docker('network', 'rm', 'places');
  await manager.docker('network', 'rm', 'places');
});

test('netd status says why the engine cannot call netd, until it can', async () => {
  const netd = nodes.sid;
  const socket = '/run/docker/plugins/netd.sock';
  await netd.stop();
  await netd.host.run(['sh', '-c', `rm -f ${socket} && mkdir -p ${socket}/occupied`]);
  await netd.start();
  const problem = async (code: string) => {
    const { problems } = await statusOf(netd);
    return problems.find((one) => one.code === code);
  };
  const told = await patiently('the problem is told', () => problem('network-driver'));
  expect(told).toMatchObject({ severity: 'error', mend: expect.stringContaining('plugin-dir') });
  expect(told.what).toContain(socket);
  await netd.host.run(['rm', '-r', socket]);
  await patiently('it is over', async () => (await problem('network-driver')) === undefined);
});

test('netd status says that the engine looks for the driver elsewhere, whether it has met it before or not', async () => {
  const code = 'network-driver-not-found';
  await Promise.all(
    Object.values(nodes).map(async (netd) => {
      const { host } = netd;
      const name = `lost-${host.name}`;
      await netd.stop();
      if (host.name === 'bookworm') await host.engine.restart(); // it meets drivers anew
      await netd.start(['--plugin-dir', '/run/elsewhere']);
      await services.manager.docker('network', 'create', '--driver', 'overlay', name);
      await services.create(name, RUN_ON, ['--network', name], { on: host.name });
      const told = await patiently('it is told', async () => {
        const { problems } = await statusOf(netd);
        return problems.find((one) => one.code === code);
      });
      expect(told).toMatchObject({ severity: 'error', mend: expect.stringContaining('/run/docker/plugins') });
      expect(told.what).toContain('netd');
      await netd.restart();
      await services.runningTask(name);
      await services.remove(name);
    }),
  );
});

test('a container loses its address, and nothing else, when its node leaves the swarm', async () => {
  const { host } = nodes.sid;
  await host.docker('run', '--detach', '--name', 'left', '--network', 'app', BUSYBOX, ...SLEEP);
  const ip = await addressOf(host, 'left', 'app');
  await patiently('the peer reaches it', () => ping(peer, ip));
  await nodes.sid.run(['leave']);
  const state = await host.docker(
    'inspect',
    '--format',
    '{{.State.Status}} {{json .NetworkSettings.Networks}}',
    'left',
  );
  expect(state).toBe('running {}');
  expect(await host.run(['sh', '-c', 'ls /run/netd/endpoints /run/netd/netns'])).not.toMatch(/^[^/\s]/m);
  await patiently('nobody has the address', async () => !(await ping(peer, ip)));
});

/** The engine network that stands for a network of the swarm, made for containers that are no tasks. */
async function operatorsNetwork(host: Host, network: string, ...flags: readonly string[]): Promise<void> {
  await host.docker('network', 'create', '--driver', 'netd', '--ipam-driver', 'null', ...flags, network);
}

async function addressOf(host: Host, container: string, network: string): Promise<string> {
  return host.docker('inspect', '--format', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);
}

async function ping(from: Pick<Member, 'host' | 'id'>, to: string): Promise<boolean> {
  return (await inside(from, `ping -c 1 -W 1 ${to}`)).includes(' 1 packets received');
}
