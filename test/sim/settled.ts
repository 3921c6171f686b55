import { attach } from '#netd/gossip/networkdb/attach.ts';
import { applyNetworkEvent } from '#netd/gossip/networkdb/network-events.ts';
import { memberUp } from '#netd/gossip/networkdb/node-events.ts';
import { DOCKER_VERSIONS, NO_META } from '#netd/gossip/wire/swim-message.ts';
import { type SimNode, World } from './world.ts';

export const NETWORK = 'network'.padEnd(25, '0');

/**
 * A cluster that has found together long ago: everybody knows everybody and who is on the network. Put together by hand,
 * because thousands of nodes joining one another is a run of its own, and quadratic.
 *
 * @param onNetwork how many of the nodes are on the networks
 */
export function settledWorld(
  seed: number,
  nodes: number,
  onNetwork: number,
  networks: readonly string[] = [NETWORK],
): World {
  const world = new World(seed, { checkOutputs: false });
  for (let index = 0; index < nodes; index++) world.start(index);
  const first = world.nodes[0];
  for (const node of world.nodes) introduce(node, world.nodes, onNetwork, networks);
  // A moment for the self-announcements to die out: everybody knows them already.
  if (first !== undefined) for (const node of world.nodes) node.core.swim.state.queue.delete(node.core.config.name);
  return world;
}

function introduce(node: SimNode, all: readonly SimNode[], onNetwork: number, networks: readonly string[]): void {
  const { swim, db } = node.core;
  for (const other of all) {
    if (other === node) continue;
    const { name, address } = other.core.config;
    swim.state.members.add({
      name,
      ...address,
      meta: NO_META,
      versions: DOCKER_VERSIONS,
      incarnation: 1,
      state: 'alive',
      stateSinceMs: 0,
    });
    memberUp(db.state, name, address);
    if (other.index >= onNetwork) continue;
    for (const network of networks) applyNetworkEvent(db.state, { type: 'join', time: 1n, node: name, network });
  }
  if (node.index >= onNetwork) return;
  for (const network of networks) {
    attach(db.state, noSyncs, network);
    const own = db.state.own.get(network);
    if (own !== undefined) Object.assign(own, { inSync: true, freshUntilMs: 0 });
    db.state.networkQueue.delete(`${network}\0${node.core.config.name}`);
  }
}

/** Tables are empty: there is nothing to sync at the start. */
const noSyncs = {
  syncEach: (networks: Iterable<string>, _count: number, done: (network: string) => void) => {
    for (const network of networks) done(network);
  },
};
