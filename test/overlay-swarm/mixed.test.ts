import { afterAll, beforeAll, expect, test } from 'vitest';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON, Services } from '#test/conformance/services.ts';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import { ENGINE_SUITES, type EngineSuite } from '#test/hosts/engine-roots.ts';
import type { Host } from '#test/hosts/host.ts';
import { Netd } from '#test/hosts/netd.ts';
import { dockerJoin, swarmInit } from '#test/hosts/swarm.ts';
import { dockerNetwork } from '#test/interop/docker-side.ts';
import { Mesh } from './mesh.ts';

/** One swarm with a Docker worker of every version, and two nodes of netd, on the oldest and on the newest engine. */

const mesh = new Mesh('mixed');
let bed: Bed;
let services: Services;
let dockers: readonly Host[];
let netds: readonly Netd[];

beforeAll(async () => {
  bed = await createBed({ engine: 'sid' });
  const host = async (name: string, engine: EngineSuite): Promise<Host> => {
    const made = await bed.host(name, { engine });
    await made.engine.start();
    await made.engine.load();
    return made;
  };
  const [manager, old, young, ...workers] = await Promise.all([
    host('m1', 'sid'),
    host('n1', 'bookworm'),
    host('n2', 'sid'),
    ...ENGINE_SUITES.map((suite) => host(`d-${suite}`, suite)),
  ]);
  const swarm = await swarmInit(manager);
  dockers = workers;
  netds = [new Netd(old), new Netd(young)];
  await Promise.all([
    ...dockers.map((docker) => dockerJoin(docker, swarm)),
    ...netds.map(async (netd) => {
      await netd.start();
      await netd.join(swarm);
    }),
  ]);
  services = new Services(manager);
  await manager.docker('network', 'create', '--driver', 'overlay', '--attachable', 'mixed');
});
afterAll(() => bed?.end());

test('N17 nodes of netd and of every Docker find and reach each other, and each Docker lists netd as a peer', async () => {
  const hosts = [...dockers, ...netds.map(({ host }) => host)];
  const flags = ['--mode', 'global', '--network', 'mixed', '--stop-grace-period', '1s'];
  await services.create('names', RUN_ON, [...flags, '--endpoint-mode', 'dnsrr']);
  await services.create('address', RUN_ON, flags);

  const members = await mesh.settled(hosts, 'names', hosts.length);
  await mesh.settled(hosts, 'address', hosts.length);

  const format = '{{(index .Endpoint.VirtualIPs 0).Addr}}';
  const vip = (await services.manager.docker('service', 'inspect', '--format', format, 'address')).split('/')[0];
  for (const member of members) expect(await mesh.resolve(member, 'address')).toEqual([vip]);

  for (const docker of dockers) {
    await patiently(`${docker.name} lists everybody`, async () => {
      const { peers, tasks } = await dockerNetwork(docker, 'mixed');
      expect(peers.map(({ ip }) => ip).sort()).toEqual(hosts.map(({ address }) => address).sort());
      const places = tasks.map(({ hostIp }) => hostIp).sort();
      expect(places).toEqual(hosts.flatMap(({ address }) => [address, address]).sort());
      return true;
    });
  }
});
