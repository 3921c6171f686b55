import assert from 'node:assert/strict';
import { patiently } from '#test/conformance/patiently.ts';
import { dockerNetwork } from './docker-side.ts';
import type { GossipSwarm } from './gossip-swarm.ts';
import { gossipName, probeAgrees } from './rows.ts';

/** Waits until every node knows that every node is on the network, and every probe has exactly the rows of every dockerd. */
export async function everybodyIsOn({ dockers, probes, network }: GossipSwarm): Promise<void> {
  await patiently('all know all', async () => {
    const names = [...probes.map(({ name }) => name)];
    for (const docker of dockers) names.push(await gossipName(docker, network));
    names.sort();
    for (const docker of dockers) {
      const { peers } = await dockerNetwork(docker, network);
      assert.deepEqual(peers.map(({ name }) => name).sort(), names, docker.name);
    }
    for (const probe of probes) assert.deepEqual((await probe.snapshot(network)).nodes, names, probe.host.name);
    return true;
  });
  for (const probe of probes) for (const docker of dockers) await probeAgrees(probe, network, docker);
}
