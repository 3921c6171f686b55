import { afterAll, beforeAll } from 'vitest';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import { type GossipSwarm, type GossipSwarmPlan, gossipSwarm } from './gossip-swarm.ts';

/** Makes the swarm in a hook, on a bed of its own; the function gives it to tests. */
export function useGossipSwarm(plan: GossipSwarmPlan): () => GossipSwarm {
  let bed: Bed | undefined;
  let made: GossipSwarm | undefined;
  beforeAll(async () => {
    bed = await createBed();
    made = await gossipSwarm(bed, plan);
  });
  afterAll(() => bed?.end());
  return () => {
    if (made === undefined) throw new Error('the swarm is made in a hook: use it in tests');
    return made;
  };
}
