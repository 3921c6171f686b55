import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll } from 'vitest';
import { inspectNode, type NodeObject } from '#test/conformance/both-sides.ts';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import type { EngineSuite } from '#test/hosts/engine-roots.ts';
import type { Host } from '#test/hosts/host.ts';
import { type Cluster, clusterOf, type SwarmRole, swarmInit, swarmOf } from '#test/hosts/swarm.ts';
import { Door } from './door.ts';

/** A name for the switch's own address, where servers of the test can be made reachable. */
export const SWITCH_NAME = 'switch.test';

/** A real manager with the engine of a suite, and the way to it from the test's own process. */
export interface SwarmFixture {
  readonly bed: Bed;
  readonly manager: Host;
  /** `host:port` */
  readonly address: string;
  readonly token: (role?: SwarmRole) => Promise<string>;
  /** As the manager says now. */
  readonly cluster: () => Promise<Cluster>;
  readonly node: (nodeId: string) => Promise<NodeObject>;
  readonly nodeIds: () => Promise<readonly string[]>;
}

/** One for all tests of the surrounding `describe`. */
export function useSwarm(suite: EngineSuite): SwarmFixture {
  let scope: AsyncDisposableStack;
  let bed: Bed;
  let manager: Host;
  let door: Door;
  beforeAll(async () => {
    scope = new AsyncDisposableStack();
    bed = scope.use(await createBed({ engine: suite }));
    manager = await bed.host('m1');
    // Before the engine starts: Go remembers the file for a while.
    appendFileSync(manager.path('/etc/hosts'), `${bed.switch.address} ${SWITCH_NAME}\n`);
    await manager.engine.start();
    await swarmInit(manager);
    door = scope.use(await Door.open(manager));
  });
  afterAll(() => scope.disposeAsync());
  return {
    get bed() {
      return bed;
    },
    get manager() {
      return manager;
    },
    get address() {
      return door.address;
    },
    token: async (role = 'worker') => (await swarmOf(manager)).tokens[role],
    cluster: () => clusterOf(manager),
    node: (nodeId) => inspectNode(manager, nodeId),
    nodeIds: async () => (await manager.docker('node', 'ls', '--quiet')).split('\n'),
  };
}
