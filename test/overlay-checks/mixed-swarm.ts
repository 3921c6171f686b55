import { RUN_ON, Services } from '#test/conformance/services.ts';
import { MANAGER_VERSIONS } from '#test/conformance/versions.ts';
import type { Bed } from '#test/hosts/bed.ts';
import type { EngineSuite } from '#test/hosts/engine-roots.ts';
import type { Host } from '#test/hosts/host.ts';
import { Netd } from '#test/hosts/netd.ts';
import { dockerJoin, type Swarm, swarmInit } from '#test/hosts/swarm.ts';
import { type Member, Mesh } from '#test/overlay-swarm/mesh.ts';

/** A worker of Docker's own swarm mode. */
export interface DockerWorker {
  readonly host: Host;
  readonly version: string;
}

/** One manager, a Docker worker of each version, and workers of netd on the oldest and the newest engine. */
export interface MixedSwarm {
  readonly swarm: Swarm;
  readonly services: Services;
  readonly docker: readonly DockerWorker[];
  readonly netd: readonly [Netd, Netd];
  readonly hosts: readonly Host[];
}

export interface MixedSwarmOptions {
  readonly initFlags?: readonly string[];
  /** Flags of both kinds of join. */
  readonly joinFlags?: (host: Host) => readonly string[];
  /** Before anything is started on a host. */
  readonly prepare?: (host: Host) => Promise<void>;
}

/** The manager is of the newest version: it knows all that a user can ask for. */
const MANAGER_SUITE: EngineSuite = 'sid';

export async function mixedSwarm(bed: Bed, options: MixedSwarmOptions = {}): Promise<MixedSwarm> {
  const { joinFlags = () => [] } = options;
  const engineHost = async (name: string, engine: EngineSuite, liveRestore = false): Promise<Host> => {
    const host = await bed.host(name, { engine });
    await options.prepare?.(host);
    await host.engine.start({ liveRestore });
    await host.engine.load();
    return host;
  };
  const [manager, n1, n2, ...workers] = await Promise.all([
    bed.host('m', { engine: MANAGER_SUITE }).then(async (host) => {
      await host.engine.start();
      return host;
    }),
    engineHost('n1', 'bookworm', true),
    engineHost('n2', 'sid'),
    ...MANAGER_VERSIONS.map(({ suite, version }) => engineHost(`d${version.split('.')[0]}`, suite)),
  ]);
  const swarm = await swarmInit(manager, { flags: options.initFlags ?? [] });
  await manager.docker('node', 'update', '--availability', 'drain', 'm');
  const netd = [new Netd(n1), new Netd(n2)] as const;
  await Promise.all([
    ...netd.map(async (one) => {
      await one.start();
      await one.join(swarm, joinFlags(one.host));
    }),
    ...workers.map((host) => dockerJoin(host, swarm, 'worker', joinFlags(host))),
  ]);
  const docker = workers.map((host, i) => ({ host, version: MANAGER_VERSIONS[i]?.version ?? '' }));
  return { swarm, services: new Services(manager), docker, netd, hosts: [n1, n2, ...workers] };
}

/** `docker network create`, attachable. */
export async function createNetwork({ swarm }: MixedSwarm, name: string, ...flags: readonly string[]): Promise<void> {
  await swarm.manager.docker('network', 'create', '--driver', 'overlay', '--attachable', ...flags, name);
}

/** The VXLAN number of a subnet of a network, of the only one when it is left out. */
export async function vniOf({ swarm }: MixedSwarm, network: string, subnet?: string): Promise<number> {
  const [inspected] = JSON.parse(await swarm.manager.docker('network', 'inspect', network));
  const { IPAM, Options } = inspected;
  // In this order, which is not that of docker(1)'s command line.
  const subnets: readonly string[] = IPAM.Config.map(({ Subnet }: { Subnet: string }) => Subnet);
  const numbers: readonly string[] = Options['com.docker.network.driver.overlay.vxlanid_list'].split(',');
  const number = numbers[subnet === undefined ? 0 : subnets.indexOf(subnet)];
  if (number === undefined || subnets.length !== numbers.length) {
    throw new Error(`no VXLAN number for ${subnet}: ${network} has ${numbers} for ${subnets}`);
  }
  return Number(number);
}

/** Runs one task of a service on each of the hosts, without a virtual address. */
export async function createEverywhere(
  { services }: MixedSwarm,
  name: string,
  network: string,
  ...flags: readonly string[]
): Promise<void> {
  const given = ['--mode', 'global', '--endpoint-mode', 'dnsrr', '--stop-grace-period', '1s', '--network', network];
  await services.create(name, RUN_ON, [...given, ...flags]);
}

/** A member on every host, once all reach each other and have the name. */
export async function settled(
  { hosts }: MixedSwarm,
  service: string,
  network: string,
): Promise<(host: Host) => Member> {
  const members = await new Mesh(network).settled(hosts, service, hosts.length);
  return (host) => {
    const member = members.find((one) => one.host === host);
    if (member === undefined) throw new Error(`no task of ${service} on ${host.name}`);
    return member;
  };
}

/** Runs a command of the host in the network namespace of the container: that of the host has more tools. */
export async function inNetworkOf({ host, id }: Pick<Member, 'host' | 'id'>, ...argv: readonly string[]) {
  const pid = await host.docker('inspect', '--format', '{{.State.Pid}}', id);
  return host.exec(['nsenter', `--net=/proc/${pid}/ns/net`, ...argv]);
}
