import { expect, test } from 'vitest';
import { everybodyIsOn } from '../agreement.ts';
import { complaints } from '../docker-side.ts';
import type { GossipSwarm } from '../gossip-swarm.ts';
import type { Probe } from '../probe.ts';
import { dockerHas, dockerLacks, ourRows } from '../rows.ts';

const CALM_MS = 120_000;

/**
 * A swarm in which nothing goes wrong, while its manager rotates the keys: nobody may suspect anybody, rows of all get to
 * all, before and after all keys have been replaced, and a node that leaves is gone at once without having failed.
 */
export function calmScenario(swarm: () => GossipSwarm): void {
  test('N19 two minutes with rotating keys: nobody suspects anybody, rows get everywhere; then a leave', async () => {
    const { dockers, probes, network } = swarm();
    const began = performance.now();
    await everybodyIsOn(swarm());
    const firstKeys = await Promise.all(probes.map(keysOf));
    const early = await publishEach(swarm(), 'early');

    await new Promise((resolve) => setTimeout(resolve, began + CALM_MS - performance.now())); // the test is about time

    for (const [index, probe] of probes.entries()) {
      const view = await probe.view();
      const now = [view.keys.primary, ...view.keys.others].map(Number);
      expect(Math.min(...now), 'the first keys are all gone').toBeGreaterThan(Math.max(...(firstKeys[index] ?? [])));
      expect(view.incarnation, 'nobody accused us').toBe(1);
      expect(view.refusedMessages).toBe(0);
      expect(view.peers.map(({ name, state, status }) => [name, state, status])).toEqual(
        view.peers.map(({ name }) => [name, 'alive', 'active']),
      );
      for (const peer of view.peers) {
        expect(peer.sinceMs, `${probe.host.name} never doubted ${peer.name}`).toBeGreaterThan(CALM_MS - 10_000);
        expect(peer.incarnation, 'nor did anybody else').toBe(1);
      }
      expect(probe.log()).not.toMatch(/refused|failed|cannot|"level":"(warn|error)"/);
    }
    for (const docker of dockers) expect(complaints(docker, 'misunderstanding', 'suspicion')).toEqual([]);
    for (const rows of early) await Promise.all(dockers.map((docker) => dockerHas(docker, network, rows)));
    const late = await publishEach(swarm(), 'late');

    const leaving = probes.at(-1);
    if (leaving === undefined) throw new Error('the scenario needs a probe');
    await leaving.leave();
    const left = [early.at(-1), late.at(-1)].filter((rows) => rows !== undefined);
    for (const docker of dockers) for (const rows of left) await dockerLacks(docker, network, rows);
    for (const probe of probes.slice(0, -1)) {
      const { peers } = await probe.view();
      expect(peers.find(({ name }) => name === leaving.name)?.status).toBe('left');
    }
    for (const docker of dockers) expect(complaints(docker, 'misunderstanding', 'suspicion')).toEqual([]);
  });
}

/** Publishes one endpoint on each probe, and waits until every dockerd has it. */
async function publishEach({ dockers, probes, network }: GossipSwarm, name: string) {
  return Promise.all(
    probes.map(async (probe) => {
      const rows = ourRows(probe, `${name}-${probe.host.name}`);
      await probe.publish(network, rows);
      await Promise.all(dockers.map((docker) => dockerHas(docker, network, rows)));
      return rows;
    }),
  );
}

async function keysOf(probe: Probe): Promise<readonly number[]> {
  const { keys } = await probe.view();
  return [keys.primary, ...keys.others].map(Number);
}
