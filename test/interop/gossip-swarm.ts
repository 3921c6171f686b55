import pLimit from 'p-limit';
import { patiently } from '#test/conformance/patiently.ts';
import type { Bed } from '#test/hosts/bed.ts';
import type { EngineName } from '#test/hosts/engine-roots.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { dockerJoin, type Swarm, swarmInit } from '#test/hosts/swarm.ts';
import { dockerNetwork } from './docker-side.ts';
import { rotateKeysEvery } from './fast-rotation.ts';
import { Probe } from './probe.ts';

/** What a swarm of a suite is made of; names are host names. */
export interface GossipSwarmPlan {
  readonly manager: { readonly name: string; readonly engine: EngineName };
  /** Seconds between two rotations of the network keys; Docker's half day when left out. */
  readonly rotationSec?: number;
  /** Docker's own workers. */
  readonly workers: Readonly<Record<string, EngineName>>;
  readonly probes: readonly string[];
}

/** A swarm of real dockerds and of probes, all on one overlay network on which every dockerd runs a task. */
export interface GossipSwarm {
  readonly swarm: Swarm;
  readonly manager: Host;
  /** Hosts with a dockerd, the manager first. */
  readonly dockers: readonly Host[];
  readonly docker: (name: string) => Host;
  readonly probe: (name: string) => Probe;
  readonly probes: readonly Probe[];
  /** Id of the network everybody is on. */
  readonly network: string;
}

/** The network everybody is on, and its global service. */
export const NETWORK = 'common';
export const WEB = 'web';
const SUBNET = '10.99.0.0/16';

/** What starts costs a core a second or two: with all at once, none would answer its pings meanwhile. */
const starting = pLimit(4);

/** Makes the swarm on that bed. */
export async function gossipSwarm(bed: Bed, plan: GossipSwarmPlan): Promise<GossipSwarm> {
  const { manager: first, rotationSec } = plan;
  const manager = await starting(() => engineHost(bed, first.name, first.engine, rotationSec));
  const swarm = await swarmInit(manager);
  const network = await overlay(manager, NETWORK, '--subnet', SUBNET);
  const workers = await Promise.all(
    Object.entries(plan.workers).map(([name, engine]) => starting(() => engineHost(bed, name, engine))),
  );
  const dockers = [manager, ...workers];
  await service(manager, WEB, NETWORK, '--mode', 'global', '--constraint', `node.labels.${WEB}==yes`);
  for (const host of dockers) {
    if (host !== manager) await dockerJoin(host, swarm);
    await attachDocker(manager, host, network);
  }
  const probes = await Promise.all(
    plan.probes.map((name) =>
      starting(async () => {
        const probe = await Probe.start(await bed.host(name), swarm);
        await probe.attach(network);
        return probe;
      }),
    ),
  );
  return {
    swarm,
    manager,
    dockers,
    docker: (name) => named(dockers, name, (host) => host.name),
    probe: (name) => named(probes, name, ({ host }) => host.name),
    probes,
    network,
  };
}

/** Makes an overlay network that containers can be put on by hand, and gives its id. */
export function overlay(manager: Host, name: string, ...flags: readonly string[]): Promise<string> {
  return manager.docker('network', 'create', '--driver', 'overlay', '--attachable', ...flags, name);
}

/** A service that sleeps on that network, and whose name stands for its tasks' addresses. Gives its id. */
export function service(manager: Host, name: string, network: string, ...flags: readonly string[]): Promise<string> {
  const where = ['--name', name, '--network', network, '--endpoint-mode', 'dnsrr', ...flags];
  // Does not listen to SIGTERM as process 1, and nobody waits for it to end.
  const run = ['--stop-grace-period', '1s', '--no-resolve-image', '--detach', BUSYBOX, 'sleep', '3600'];
  return manager.docker('service', 'create', ...where, ...run);
}

/**
 * Has a dockerd run a task on the network, and waits until it has the rows of others. Two dockerds that attach at the same time
 * may ask one another, and then wait for half a minute (spec gossip §18.3 no. 2), netd or no.
 */
async function attachDocker(manager: Host, host: Host, network: string): Promise<void> {
  await manager.docker('node', 'update', '--label-add', `${WEB}=yes`, host.name);
  await patiently(`dockerd of ${host.name} has a task of ${WEB} and the rows of others`, async () => {
    const { peers, tasks } = await dockerNetwork(host, network);
    return tasks.length > 0 && tasks.length >= peers.length;
  });
}

async function engineHost(bed: Bed, name: string, engine: EngineName, rotationSec?: number): Promise<Host> {
  const host = await bed.host(name, { engine });
  if (rotationSec !== undefined) rotateKeysEvery(host, rotationSec);
  await host.engine.start({ daemonJson: { debug: true } });
  await host.engine.load();
  return host;
}

function named<T>(all: readonly T[], name: string, nameOf: (one: T) => string): T {
  const found = all.find((one) => nameOf(one) === name);
  if (found === undefined) throw new Error(`the swarm has no ${name}`);
  return found;
}
