import { beforeAll } from 'vitest';
import type { Host } from '#test/hosts/host.ts';
import { busyboxImage } from '#test/hosts/image.ts';
import { Netd } from '#test/hosts/netd.ts';
import { Registry } from '#test/hosts/registry.ts';
import { type Swarm, swarmInit } from '#test/hosts/swarm.ts';
import { Services } from './services.ts';
import { networkConfig } from './two-workers.ts';
import type { ConformanceHosts } from './versions.ts';

/** The same as BUSYBOX to run, another image to update to. */
export const BUSYBOX_2 = 'netd/busybox:2';
/** A macvlan network of which `w1` has its own part, see `networkConfig`. */
export const LAN = 'lan';
/** One of which only the manager has. */
export const NOWHERE = 'nowhere';
export const LOGIN = { username: 'ada', password: 'analytical' };
/** What `w1` offers. */
const GENERIC_RESOURCES = ['gpu=2', 'card=red', 'card=blue'];

/** One manager and two workers of netd, for all tests of tasks of one version. */
export interface TaskBed {
  readonly swarm: Swarm;
  readonly services: Services;
  /** Where services run unless a test is about the node. */
  readonly w1: Netd;
  /** The node that is drained and whose agent is killed. */
  readonly w2: Netd;
  readonly registry: Registry;
}

/** Makes the bed in a hook; the function gives it to tests. */
export function useTaskBed(hosts: ConformanceHosts): () => TaskBed {
  let made: TaskBed | undefined;
  beforeAll(async () => {
    const registry = await Registry.start(hosts.bed, { login: LOGIN });
    const engine = { insecureRegistries: [registry.address] };
    const [manager, host1, host2] = await Promise.all(['m1', 'w1', 'w2'].map((name) => hosts.engineHost(name, engine)));
    if (!manager || !host1 || !host2) throw new Error('unreachable: three names, three hosts');
    const swarm = await swarmInit(manager);
    await manager.docker('node', 'update', '--availability', 'drain', 'm1');
    const w1 = new Netd(host1, { flags: GENERIC_RESOURCES.flatMap((text) => ['--generic-resource', text]) });
    const w2 = new Netd(host2);
    await Promise.all([
      join(w1, swarm),
      join(w2, swarm),
      host1.engine.load(busyboxImage({ Env: ['IMAGE=2'] }), BUSYBOX_2),
      networkConfig(host1, LAN, '10.200.0.0/24'),
      ...[LAN, NOWHERE].map((name) => macvlan(manager, name)),
    ]);
    made = { swarm, services: new Services(manager), w1, w2, registry };
    return () => registry[Symbol.asyncDispose]();
  });
  return () => {
    if (made === undefined) throw new Error('the bed is made in a hook: use it in tests');
    return made;
  };
}

async function join(netd: Netd, swarm: Swarm): Promise<void> {
  await netd.start();
  await netd.join(swarm);
}

/** A macvlan network of the swarm. Its configuration has to be on the manager too, or the manager refuses the network. */
async function macvlan(manager: Host, name: string): Promise<void> {
  await networkConfig(manager, name, name === LAN ? '10.200.0.0/24' : '10.201.0.0/24');
  const options = ['--scope', 'swarm', '--driver', 'macvlan', '--config-from', `${name}-config`];
  await manager.docker('network', 'create', ...options, name);
}
