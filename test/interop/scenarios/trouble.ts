import { expect, test } from 'vitest';
import { patiently } from '#test/conformance/patiently.ts';
import type { Host } from '#test/hosts/host.ts';
import { dockerLog, dockerNetwork, loggedAt } from '../docker-side.ts';
import type { GossipSwarm } from '../gossip-swarm.ts';
import type { Probe } from '../probe.ts';
import { dockerHas, dockerLacks, gossipName, ourRows, probeAgrees } from '../rows.ts';

/** Long enough for everybody to be given up (24 s at the most among seven), and to be forgotten by memberlist (30 s more). */
const PARTITION_MS = 60_000;
/**
 * Who hears nobody at all doubts itself, and gives each probe eight seconds (spec gossip §10.4, §10.7). One of seven others may
 * be first in this walk and last in the next: thirteen probes, and 24 s of suspicion that nobody else confirms.
 */
const ALONE_MS = 13 * 8000 + 24_000;
/** How long nobody must dial a node that has left; each dockerd dials one failed node every second. */
const QUIET_MS = 5_000;
/** A goodbye is heard within a second. Nobody is given up for silence before four. */
const AT_ONCE_MS = 3_000;
/** The dockerds that are left in peace. */
const CALM = ['m1', 'w1'] as const;

/**
 * Nobody but Docker is there to notice: among many, others may be the first to suspect, and Docker takes their word. For a
 * probe that has said goodbye.
 */
export function onlyDockerScenario(swarm: () => GossipSwarm): void {
  test('killed, and only Docker there: it suspects us, gives us up and drops our rows', {
    concurrent: false,
  }, async () => {
    const { network, probes, manager } = swarm();
    const [killed] = probes;
    if (killed === undefined) throw new Error('the scenario needs a probe');
    await killed.restart();
    await killed.attach(network);
    const { name } = killed;
    await isKilled(killed, network, [manager]);
    expect(dockerLog(manager)).toContain(`memberlist: Suspect ${name} has failed`);
  });
}

/** Nodes that leave, are killed, come back, and are cut off: ours (each with a probe to itself), and Docker's (`w2`). */
export function troubleScenarios(swarm: () => GossipSwarm): void {
  const calm = () => CALM.map(swarm().docker);

  test('leave: Docker drops us and our rows at once, and does not look for us', async () => {
    const { network, probe } = swarm();
    const leaving = probe('leave');
    const { name, host } = leaving;
    const ours = ourRows(leaving, 'leaving');
    await leaving.publish(network, ours);
    for (const docker of calm()) await dockerHas(docker, network, ours);
    await leaving.leave();
    const leftAt = Date.now();
    const left = `Node ${name} change state NodeActive --> NodeLeft`;
    for (const docker of calm()) {
      await dockerLacks(docker, network, ours);
      expect(await namesOn(docker, network)).not.toContain(name);
      // By its own clock: how long its answers take to get here says nothing of the goodbye.
      expect(loggedAt(docker, left) - leftAt).toBeLessThan(AT_ONCE_MS);
    }
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS)); // what must not happen takes time
    for (const docker of calm()) {
      const log = dockerLog(docker);
      expect(log).not.toContain(`Node ${name} change state NodeActive --> NodeFailed`);
      expect(log).not.toMatch(new RegExp(`(dial|push/pull|ping).*${host.address}:7946.*(refused|timeout|fail)`, 'i'));
    }
    await leaving.restart();
    await leaving.attach(network);
    await isBack(leaving, network, calm());
  });

  test('killed and started again at once: the new name takes the place of the old one', async () => {
    const { network, probe } = swarm();
    const killed = probe('crash');
    const { name } = killed;
    const ours = ourRows(killed, 'first');
    await killed.publish(network, ours);
    for (const docker of calm()) await dockerHas(docker, network, ours);
    await killed.kill();
    await killed.restart();
    expect(killed.name).not.toBe(name);
    await killed.attach(network);
    for (const docker of calm()) {
      await dockerLacks(docker, network, ours);
      expect(await namesOn(docker, network)).not.toContain(name);
    }
    await isBack(killed, network, calm());
  });

  test('killed: Docker gives us up and drops our rows; a new start has everything back', async () => {
    await isKilled(swarm().probe('fail'), swarm().network, calm());
  });

  test('cut off for a minute: both sides give each other up, and have everything back afterwards', async () => {
    const { network, probe } = swarm();
    const cut = probe('cut');
    const [stays, goes, comes] = ['stays', 'goes', 'comes'].map((name) => ourRows(cut, name));
    if (!stays || !goes || !comes) throw new Error('unreachable: three names, three rows');
    for (const ours of [stays, goes]) await cut.publish(network, ours);
    for (const docker of calm()) for (const ours of [stays, goes]) await dockerHas(docker, network, ours);
    await cut.host.linkDown();
    const cutAt = performance.now();
    for (const docker of calm()) for (const ours of [stays, goes]) await dockerLacks(docker, network, ours);
    await isAlone(cut, network);
    await cut.withdraw(network, goes.id);
    await cut.publish(network, comes);
    // Among seven it takes about that long until the last one is given up: whoever is alone doubts itself first.
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, cutAt + PARTITION_MS - performance.now())));
    await isAlone(cut, network);

    await cut.host.linkUp();
    for (const docker of calm()) {
      for (const ours of [stays, comes]) await dockerHas(docker, network, ours);
      await dockerLacks(docker, network, goes);
      await probeAgrees(cut, network, docker);
      expect(await namesOn(docker, network), 'it is the same process').toContain(cut.name);
    }
  });

  test('a dockerd is killed, started, and cut off: we see it fail and come back each time', async () => {
    const { network, docker, probe } = swarm();
    const [victim, witness] = [docker('w2'), probe('rows')];
    const ours = ourRows(witness, 'steady');
    await witness.publish(network, ours);
    await dockerHas(victim, network, ours);
    await probeAgrees(witness, network, victim);

    const first = await gossipName(victim, network);
    await victim.engine.kill();
    await hasFailed(witness, network, first);
    await victim.engine.start();
    const second = await patiently('the dockerd is on the network again', () => gossipName(victim, network));
    expect(second).not.toBe(first);
    await probeAgrees(witness, network, victim);
    await dockerHas(victim, network, ours);

    await victim.linkDown();
    await hasFailed(witness, network, second);
    await victim.linkUp();
    await probeAgrees(witness, network, victim);
    await dockerHas(victim, network, ours);
    expect(await gossipName(victim, network)).toBe(second);
  });
}

async function namesOn(docker: Host, network: string): Promise<readonly string[]> {
  const { peers } = await dockerNetwork(docker, network);
  return peers.map(({ name }) => name);
}

/** Publishes, dies without a word, is given up by those dockerds, starts again and has everything back. */
async function isKilled(killed: Probe, network: string, dockers: readonly Host[]): Promise<void> {
  const { name } = killed;
  const ours = ourRows(killed, 'failing');
  await killed.publish(network, ours);
  for (const docker of dockers) await dockerHas(docker, network, ours);
  await killed.kill();
  for (const docker of dockers) await dockerLacks(docker, network, ours);
  for (const docker of dockers) {
    expect(dockerLog(docker)).toContain(`Node ${name} change state NodeActive --> NodeFailed`);
  }
  await killed.restart();
  await killed.attach(network);
  await isBack(killed, network, dockers);
}

/** Rows go in both directions between a probe that has (re)joined the network and those dockerds. */
async function isBack(probe: Probe, network: string, dockers: readonly Host[]): Promise<void> {
  const ours = ourRows(probe, 'back');
  await probe.publish(network, ours);
  for (const docker of dockers) {
    await dockerHas(docker, network, ours);
    await probeAgrees(probe, network, docker);
    expect(await namesOn(docker, network)).toContain(probe.name);
  }
}

/** The probe has given up all others, and has no rows but its own. */
async function isAlone(probe: Probe, network: string): Promise<void> {
  const isAloneNow = async () => {
    const { nodes, endpoints, peers } = await probe.snapshot(network);
    expect(nodes).toEqual([probe.name]);
    for (const { owner } of [...endpoints, ...peers]) expect(owner).toBe(probe.name);
    return true;
  };
  await patiently(`${probe.host.name} is alone`, isAloneNow, { timeoutMs: ALONE_MS });
}

/** The probe has given up that node, and has none of its rows. */
async function hasFailed(probe: Probe, network: string, name: string): Promise<void> {
  await patiently(`${probe.host.name} has given up ${name}`, async () => {
    const { nodes, endpoints, peers } = await probe.snapshot(network);
    expect(nodes).not.toContain(name);
    for (const { owner } of [...endpoints, ...peers]) expect(owner).not.toBe(name);
    return true;
  });
  expect(probe.log()).toMatch(new RegExp(`"node":"${name}".*"gossip peer failed"`));
}
