import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Random, seededRandom, uniformInt } from '#base/random.ts';
import { patiently } from '#test/conformance/patiently.ts';
import { createBed } from '#test/hosts/bed.ts';
import type { Host } from '#test/hosts/host.ts';
import { everybodyIsOn } from './agreement.ts';
import { complaints, dockerNetwork } from './docker-side.ts';
import { type GossipSwarm, gossipSwarm, NETWORK, service } from './gossip-swarm.ts';
import type { Probe, PublishedRows } from './probe.ts';
import { dockerHas, ourRows } from './rows.ts';

/**
 * A swarm of dockerds of all versions and of probes, in which something happens all the time, for as long as one likes:
 *
 *   npm run soak -- --minutes 60 --seed 7
 *
 * Each round does one thing to one node, waits until all agree again on who is there and which rows there are, and says how
 * long that took. It ends with 1 when they did not agree within a minute and a half, or a dockerd misunderstood a peer.
 */

/** Whoever misses two rotations is rightly not understood: two nodes cut off one after the other must not be able to. */
const ROTATION_SEC = 300;
/** Rows one probe has at most: enough for packets with several, few enough to look at each. */
const MOST_ROWS = 12;
const LONGEST_CUT_MS = 60_000;
const MOST_TASKS = 8;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
  },
});
const random: Random = seededRandom(Number(values.seed));
const untilMs = performance.now() + Number(values.minutes) * 60_000;
const rows = new Map<Probe, PublishedRows[]>();
let rowsMade = 0;
/** Addresses of rows so far: of two rows with one address a dockerd keeps one. There are 32,000, enough for days. */
const addresses = new Set<string>();

interface Round {
  readonly what: string;
  readonly agreedMs: number;
}

type Action = (swarm: GossipSwarm) => Promise<string>;

/** What can happen. All of it is over when the promise resolves, except that the others may not have noticed yet. */
const ACTIONS: readonly Action[] = [
  async ({ probes, network }) => {
    const probe = pick(probes);
    const made = Array.from({ length: uniformInt(random, 1, MOST_ROWS) }, () => newRows(probe));
    for (const one of made) await probe.publish(network, one);
    const gone = rowsOf(probe).splice(0);
    for (const { id } of gone) await probe.withdraw(network, id);
    rowsOf(probe).push(...made);
    return `${probe.host.name} replaces ${gone.length} rows by ${made.length}`;
  },
  async ({ manager }) => {
    const replicas = uniformInt(random, 0, MOST_TASKS + 1);
    await manager.docker('service', 'scale', `scaled=${replicas}`);
    return `${replicas} tasks`;
  },
  async (swarm) => {
    const probe = pick(swarm.probes);
    await probe.kill();
    if (random() < 0.5) await sleep(uniformInt(random, 0, 30_000));
    await backAgain(probe, swarm.network);
    return `${probe.host.name} is killed and started`;
  },
  async (swarm) => {
    const probe = pick(swarm.probes);
    await probe.leave();
    await backAgain(probe, swarm.network);
    return `${probe.host.name} leaves and comes back`;
  },
  async ({ probes }) => cut(pick(probes).host),
  async ({ dockers }) => cut(pick(dockers)),
  async ({ dockers }) => {
    const docker = pick(dockers.slice(1));
    await docker.engine.kill();
    await docker.engine.start();
    return `the dockerd of ${docker.name} is killed and started`;
  },
  async () => {
    await sleep(30_000);
    return 'nothing';
  },
];

async function main(): Promise<void> {
  process.stdout.write(`seed ${values.seed}, ${values.minutes} minutes\n`);
  await using bed = await createBed();
  const swarm = await gossipSwarm(bed, {
    manager: { name: 'm1', engine: 'sid' },
    rotationSec: ROTATION_SEC,
    workers: { w1: 'bookworm', w2: 'trixie', w3: 'sid' },
    probes: ['p1', 'p2', 'p3', 'p4'],
  });
  await service(swarm.manager, 'scaled', NETWORK, '--replicas', '2');
  await agreed(swarm);
  const rounds: Round[] = [];
  const atFirst = await Promise.all(swarm.probes.map(memoryMib));
  while (performance.now() < untilMs) rounds.push(await round(swarm));
  for (const docker of swarm.dockers) {
    const odd = complaints(docker, 'misunderstanding');
    if (odd.length > 0) throw new Error(`${docker.name} misunderstood its peers:\n${odd.join('\n')}`);
  }
  const times = rounds.map(({ agreedMs }) => agreedMs).toSorted((a, b) => a - b);
  const at = (share: number) => seconds(times[Math.floor((times.length - 1) * share)] ?? 0);
  const atLast = await Promise.all(swarm.probes.map(memoryMib));
  process.stdout.write(
    `${rounds.length} rounds; all agreed after ${at(0.5)} (median), ${at(0.9)} (p90), ${at(1)} (longest)\n`,
  );
  process.stdout.write(`memory of the probes, MiB: ${atFirst.join(' ')} at first, ${atLast.join(' ')} at last\n`);
}

async function round(swarm: GossipSwarm): Promise<Round> {
  const began = performance.now();
  const what = await pick(ACTIONS)(swarm);
  const done = performance.now();
  await agreed(swarm);
  const agreedMs = performance.now() - done;
  process.stdout.write(
    `${new Date().toISOString()} ${what} (${seconds(done - began)}); agreed after ${seconds(agreedMs)}\n`,
  );
  return { what, agreedMs };
}

/** Waits until every node knows every node, every probe the rows of every dockerd, and every dockerd just those of the probes. */
async function agreed(swarm: GossipSwarm): Promise<void> {
  const { dockers, network } = swarm;
  await everybodyIsOn(swarm);
  const wanted = [...rows.values()].flat();
  const ids = wanted.map(({ id }) => id).sort();
  for (const docker of dockers) {
    await patiently(`${docker.name} has just the rows there are`, async () => {
      const { tasks } = await dockerNetwork(docker, network);
      const ours = tasks.filter(({ name }) => name.startsWith('soak-'));
      assert.deepEqual(ours.map(({ endpointId }) => endpointId).sort(), ids);
      return true;
    });
    // Looking into the kernel for each would be most of what this machine does.
    if (wanted.length > 0) await dockerHas(docker, network, pick(wanted));
  }
}

/** A probe that was away comes back under a new name, with new rows under new ids. */
async function backAgain(probe: Probe, network: string): Promise<void> {
  const count = rowsOf(probe).splice(0).length;
  await probe.restart();
  await probe.attach(network);
  for (let made = 0; made < count; made++) {
    const one = newRows(probe);
    await probe.publish(network, one);
    rowsOf(probe).push(one);
  }
}

/** Rows with an address no other has had. */
function newRows(probe: Probe): PublishedRows {
  for (;;) {
    const made = ourRows(probe, `soak-${rowsMade++}`);
    if (addresses.has(made.peer.ip)) continue;
    addresses.add(made.peer.ip);
    return made;
  }
}

async function cut(host: Host): Promise<string> {
  const ms = uniformInt(random, 1_000, LONGEST_CUT_MS);
  await host.linkDown();
  await sleep(ms);
  await host.linkUp();
  return `${host.name} is cut off for ${seconds(ms)}`;
}

function rowsOf(probe: Probe): PublishedRows[] {
  const own = rows.get(probe) ?? [];
  rows.set(probe, own);
  return own;
}

function pick<T>(some: readonly T[]): T {
  const one = some[uniformInt(random, 0, some.length)];
  if (one === undefined) throw new Error('nothing to choose from');
  return one;
}

async function memoryMib(probe: Probe): Promise<number> {
  const status = readFileSync(`/proc/${probe.pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

await main();
