import pLimit from 'p-limit';
import { beforeAll } from 'vitest';
import type { EngineOptions } from '#test/hosts/engine.ts';
import type { Host } from '#test/hosts/host.ts';
import { Netd, type NetdOptions } from '#test/hosts/netd.ts';
import type { Swarm } from '#test/hosts/swarm.ts';
import type { ConformanceHosts } from './versions.ts';

/** For all tests of nodes of one version: a swarm, and a host that many nodes share, which saves an engine each. */
export interface NodeBed extends ConformanceHosts {
  /** With one manager that runs no tasks, default settings, and tokens that stay as they are. */
  readonly common: Swarm;
  /** The same, for tests that change its settings. */
  readonly changing: Swarm;
  readonly sharedHost: Host;
  /** A netd agent on the shared host, running. Its node is known by its engine label `agent`. */
  readonly agent: (name: string, options?: NetdOptions) => Promise<Netd>;
  /** The same, part of the common or another swarm. */
  readonly worker: (name: string, swarm?: Swarm, options?: NetdOptions) => Promise<Netd>;
  /** The same on a host and an engine of its own. */
  readonly loneWorker: (name: string, swarm?: Swarm, engine?: EngineOptions) => Promise<Netd>;
}

/** Starting an agent takes a second of a core: with more at once, tests that measure times would measure that. */
const STARTS_AT_ONCE = 4;
const starting = pLimit(STARTS_AT_ONCE);

/** Makes the bed in a hook; the function gives it to tests. */
export function useNodeBed(hosts: ConformanceHosts): () => NodeBed {
  let bed: NodeBed | undefined;
  beforeAll(async () => {
    const made = [hosts.swarm('m1'), hosts.swarm('m8'), hosts.engineHost('shared')] as const;
    const [common, changing, sharedHost] = await Promise.all(made);
    const start = async (host: Host, name: string, options: NetdOptions = {}): Promise<Netd> => {
      const flags = ['--label', `agent=${name}`, ...(options.flags ?? [])];
      const node = new Netd(host, { ...options, name, flags });
      await node.start();
      return node;
    };
    const startJoined = async (host: Host, name: string, swarm: Swarm, options?: NetdOptions): Promise<Netd> => {
      const node = await start(host, name, options);
      await node.join(swarm);
      return node;
    };
    bed = {
      ...hosts,
      get bed() {
        return hosts.bed;
      },
      common,
      changing,
      sharedHost,
      swarm: (name, options) => starting(() => hosts.swarm(name, options)),
      agent: (name, options) => starting(() => start(sharedHost, name, options)),
      worker: (name, swarm = common, options) => starting(() => startJoined(sharedHost, name, swarm, options)),
      loneWorker: (name, swarm = common, engine) =>
        starting(async () => startJoined(await hosts.engineHost(`host-${name}`, engine), name, swarm)),
    };
  });
  return () => {
    if (bed === undefined) throw new Error('the bed is made in a hook: use it in tests');
    return bed;
  };
}
