import { afterAll, beforeAll } from 'vitest';
import type { Host } from '#test/hosts/host.ts';
import type { NodeBed } from './node-bed.ts';

/** A bed as one test has it: the agents, hosts and swarms that are made by way of it end with it. */
export type BedPart = NodeBed & AsyncDisposable;

/**
 * A hundred agents that do nothing take a core from the tests that are still under way, so each test has its own to itself:
 * `await using part = partOf(bed())`.
 */
export function partOf(bed: NodeBed): BedPart {
  const scope = new AsyncDisposableStack();
  const hostIsMade = (host: Host): Host => {
    scope.defer(() => bed.bed.remove(host));
    return host;
  };
  return {
    ...bed,
    engineHost: async (name, options) => hostIsMade(await bed.engineHost(name, options)),
    swarm: async (name, options) => {
      const swarm = await bed.swarm(name, options);
      hostIsMade(swarm.manager);
      return swarm;
    },
    agent: async (name, options) => scope.use(await bed.agent(name, options)),
    worker: async (name, swarm, options) => scope.use(await bed.worker(name, swarm, options)),
    loneWorker: async (name, swarm, engine) => {
      const node = await bed.loneWorker(name, swarm, engine);
      hostIsMade(node.host);
      return node;
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  };
}

/** The same for all tests of the surrounding `describe`. */
export function usePart(bed: () => NodeBed): () => BedPart {
  let part: BedPart | undefined;
  beforeAll(() => {
    part = partOf(bed());
  });
  afterAll(() => part?.[Symbol.asyncDispose]());
  return () => {
    if (part === undefined) throw new Error('the part is made in a hook: use it in hooks and tests');
    return part;
  };
}
