import { afterAll, beforeAll, describe } from 'vitest';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { EngineOptions } from '#test/hosts/engine.ts';
import { ENGINE_SUITES, type EngineSuite, engineVersion } from '#test/hosts/engine-roots.ts';
import type { Host } from '#test/hosts/host.ts';
import { type Swarm, type SwarmOptions, swarmInit } from '#test/hosts/swarm.ts';

export interface ManagerVersion {
  readonly suite: EngineSuite;
  /** Such as `28.5.2`; the suite's name where its engine is missing, and then its tests fail. */
  readonly version: string;
}

/** The managers that netd has to be a worker of, oldest first. */
export const MANAGER_VERSIONS: readonly ManagerVersion[] = ENGINE_SUITES.map((suite) => ({
  suite,
  version: engineVersion(suite) ?? suite,
}));

/**
 * Runs the tests that `body` defines once for each version of the managers, with a bed of hosts of that version. The names of
 * results are then `TITLE, manager VERSION > §8.N …`, with the name of each test from `item`.
 */
export function describeEachManager(title: string, body: (hosts: ConformanceHosts) => void): void {
  describe.each(MANAGER_VERSIONS)(`${title}, manager $version`, (version) => body(useHosts(version)));
}

/** The same with all versions, and all tests of each, at once: for tests that mostly wait. */
export function describeEachManagerAtOnce(title: string, body: (hosts: ConformanceHosts) => void): void {
  describe.concurrent.each(MANAGER_VERSIONS)(`${title}, manager $version`, (version) => body(useHosts(version)));
}

/** Makes hosts on the one bed of a `describe`; engines are of its version. */
export interface ConformanceHosts extends ManagerVersion {
  readonly bed: Bed;
  /** A host whose engine runs, with busybox. */
  readonly engineHost: (name: string, options?: EngineOptions) => Promise<Host>;
  /** A swarm of one manager, which runs no tasks itself. */
  readonly swarm: (name: string, options?: SwarmOptions) => Promise<Swarm>;
}

/** The hosts of the surrounding `describe`. */
export function useHosts({ suite, version }: ManagerVersion): ConformanceHosts {
  let bed: Bed | undefined;
  beforeAll(async () => {
    bed = await createBed({ engine: suite });
  });
  afterAll(() => bed?.end());

  const made = (): Bed => {
    if (bed === undefined) throw new Error('hosts are made inside hooks and tests');
    return bed;
  };
  const engineHost = async (name: string, options?: EngineOptions): Promise<Host> => {
    const host = await made().host(name);
    await host.engine.start(options);
    await host.engine.load();
    return host;
  };
  return {
    suite,
    version,
    get bed() {
      return made();
    },
    engineHost,
    swarm: async (name, options) => {
      const manager = await made().host(name);
      await manager.engine.start();
      const swarm = await swarmInit(manager, options);
      await manager.docker('node', 'update', '--availability', 'drain', name);
      return swarm;
    },
  };
}
