import { type Bed, createBed } from '#test/hosts/bed.ts';
import { engineVersions } from '#test/hosts/engine-roots.ts';
import type { Host } from '#test/hosts/host.ts';
import { startNetd } from '#test/hosts/netd.ts';
import { dockerJoin, swarmInit } from '#test/hosts/swarm.ts';
import { engineCall, type Json, member } from './task-container.ts';

/** The oldest and the newest engine: what changed in between changed by one of these. */
export const OLDEST_AND_NEWEST = ['20.10.24', '28.5.2'].filter((version) => engineVersions().includes(version));

/** A shared mount on every worker: what propagation other than private needs. */
export const SHARED_MOUNT = '/srv/shared';
/** A volume on every worker, with a directory `inner`. */
export const SUBPATH_VOLUME = 'sub';
/** A macvlan network of the swarm; every worker has the configuration it is made from. */
export const LAN = 'lan';

/** A manager that runs no tasks, a worker that is Docker's and one that is netd's: all with the same engine. */
export interface TwoWorkers {
  readonly bed: Bed;
  readonly manager: Host;
  readonly docker: Host;
  readonly netd: Host;
}

export async function twoWorkers(version: string): Promise<TwoWorkers> {
  const bed = await createBed({ engine: version });
  try {
    const [manager, docker, netd] = await Promise.all([bed.host('manager'), bed.host('docker'), bed.host('netd')]);
    await Promise.all([manager, docker, netd].map(prepareHost));
    const swarm = await swarmInit(manager);
    await manager.docker('node', 'update', '--availability', 'drain', 'manager');
    await dockerJoin(docker, swarm);
    await (await startNetd(netd)).join(swarm);
    await macvlan(manager, LAN);
    return { bed, manager, docker, netd };
  } catch (error) {
    await bed.end();
    throw error;
  }
}

async function prepareHost(host: Host): Promise<void> {
  await host.engine.start();
  await host.engine.load();
  await host.run(['mkdir', '-p', '/srv/data', SHARED_MOUNT]);
  await host.run(['mount', '--bind', SHARED_MOUNT, SHARED_MOUNT]);
  await host.run(['mount', '--make-shared', SHARED_MOUNT]);
  await networkConfig(host, LAN, '10.200.0.0/24');
  await host.docker('volume', 'create', SUBPATH_VOLUME);
  await host.run(['mkdir', `/var/lib/docker/volumes/${SUBPATH_VOLUME}/_data/inner`]);
}

/** The part of a macvlan network that each host has for itself. */
export async function networkConfig(host: Host, name: string, subnet: string): Promise<void> {
  const options = ['--config-only', '--subnet', subnet, '--opt', 'parent=eth0'];
  await host.docker('network', 'create', ...options, `${name}-config`);
}

/** The part the swarm knows. */
export async function macvlan(manager: Host, name: string): Promise<void> {
  const options = ['--scope', 'swarm', '--driver', 'macvlan', '--config-from', `${name}-config`];
  await manager.docker('network', 'create', ...options, name);
}

/** Makes a secret or a config. Returns its id. */
export async function makePayload(
  manager: Host,
  kind: 'secret' | 'config',
  name: string,
  text: string,
  templating?: string,
): Promise<string> {
  const body: Json = {
    Name: name,
    Data: btoa(text),
    ...(templating !== undefined && { Templating: { Name: templating } }),
  };
  const answer = await engineCall(manager, 'POST', `/${kind}s/create`, body);
  return String(member(answer, 'ID'));
}
