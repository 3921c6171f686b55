import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RUNTIME_FLAGS } from '#agent/runtime-flags.ts';
import { bulkSyncPeriodMs } from '#netd/gossip/networkdb/constants.ts';
import { GOSSIP_FANOUT, tableRounds } from '#netd/gossip/swim/timing.ts';
import { cpuSeconds, residentMB } from '../process-facts.ts';
import { Crowd, type CrowdSize } from './crowd.ts';
import type { Command, Report } from './real-node.ts';

/** What one node costs that is a member of a very large cluster. */
export interface Scale {
  readonly size: CrowdSize;
  readonly emptyMB: number;
  readonly fullMB: number;
  /** From joining until every member and row was there. */
  readonly filledMs: number;
  /** Longest turns of the event loop, in processor time: while joining, and while whole states come and go later. */
  readonly joinTurnMs: number;
  readonly exchangeTurnMs: number;
  /** Of a core, in percent, with pings, gossip, push/pulls and bulk syncs as often as such a cluster has them. */
  readonly steadyCpu: number;
}

const KEY = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const KEYS = ['01', '00', '02'].map((first, i) => (i === 1 ? KEY.toString('hex') : first.repeat(16)));
const NODE_IP = '127.0.8.1';
const FILL_MS = 150_000;
/** A node begins a push/pull every 270 s in a cluster of 5,000, and serves as many (spec gossip §10.12). */
const PUSH_PULL_MS = 270_000;
/** Rows that change anywhere each second. */
const CHANGES_PER_S = 1;

/** @param steadyMs how long the quiet cluster is watched: whole rounds of bulk syncs make it exact */
export async function measureScale(
  size: CrowdSize,
  steadyMs: number,
  progress: (text: string) => void = () => undefined,
): Promise<Scale> {
  await using crowd = await Crowd.start(size, KEY);
  const child = fork(join(import.meta.dirname, 'real-node.ts'), [], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [...RUNTIME_FLAGS],
  });
  try {
    const { pid } = child;
    if (pid === undefined) throw new Error('the node did not start');
    const node = await asked(child, { kind: 'start', ip: NODE_IP, keys: KEYS });
    crowd.answerTo = node.address;
    await sleep(5000);
    const emptyMB = residentMB(pid);

    child.send({ kind: 'watch' } satisfies Command);
    const startedMs = performance.now();
    const addresses = crowd.members.slice(0, 3).map(({ address }) => address);
    child.send({ kind: 'join', addresses, networks: size.networks } satisfies Command);
    let joinTurnMs = 0;
    for (;;) {
      await sleep(1000);
      // Looking at the whole state is a long turn too: it is made and shown only when it is time.
      const report = await asked(child, { kind: 'report' });
      joinTurnMs = Math.max(joinTurnMs, report.longestTurnMs);
      if (report.peers === size.members && report.rows >= size.rows && report.backlogBytes === 0) break;
      if (performance.now() - startedMs > FILL_MS) throw new Error(`never complete: ${JSON.stringify(report)}`);
      child.send({ kind: 'watch' } satisfies Command);
    }
    const filledMs = performance.now() - startedMs;
    progress(`all members and rows are there, longest turn ${joinTurnMs.toFixed(0)} ms`);

    child.send({ kind: 'watch' } satisfies Command);
    for (let round = 0; round < 3; round++) {
      await crowd.pushPull(node);
      await crowd.bulkSync(node);
      await sleep(4000);
    }
    const { longestTurnMs: exchangeTurnMs } = await asked(child, { kind: 'report' });

    progress(
      `whole states exchanged, longest turn ${exchangeTurnMs.toFixed(0)} ms; ${steadyMs / 1000} s of quiet begin`,
    );

    const steadyCpu = await watchSteady(crowd, node, pid, size, steadyMs);
    return { size, emptyMB, fullMB: residentMB(pid), filledMs, joinTurnMs, exchangeTurnMs, steadyCpu };
  } finally {
    child.kill();
  }
}

/** CPU of the node in a cluster where nothing special happens. */
async function watchSteady(crowd: Crowd, node: Report, pid: number, size: CrowdSize, forMs: number): Promise<number> {
  const cpuBefore = cpuSeconds(pid);
  const startedMs = performance.now();
  // Each hears of a change as often as each tells of it.
  const copies = GOSSIP_FANOUT * tableRounds(size.members);
  // Nodes like ours sync as often as we do, and each serves as often: 100,000 rows every 200 s.
  const bulkSyncMs = bulkSyncPeriodMs(size.rows);
  let bulkSyncs = 0;
  let pushPulls = 0;
  while (performance.now() - startedMs < forMs) {
    crowd.ping(node);
    for (let change = 0; change < CHANGES_PER_S; change++) crowd.gossip(node, copies);
    const passedMs = performance.now() - startedMs;
    // In the middle of each round, so that a whole number of rounds holds as many.
    if (passedMs > (bulkSyncs + 0.5) * bulkSyncMs) {
      bulkSyncs++;
      await crowd.bulkSync(node);
    }
    if (passedMs > (pushPulls + 0.5) * PUSH_PULL_MS) {
      pushPulls++;
      await crowd.pushPull(node);
    }
    await sleep(1000);
  }
  return ((cpuSeconds(pid) - cpuBefore) / ((performance.now() - startedMs) / 1000)) * 100;
}

async function asked(child: ChildProcess, command: Command): Promise<Report> {
  const answer = once(child, 'message') as Promise<[Report]>;
  child.send(command);
  const [report] = await answer;
  return report;
}

if (import.meta.main) {
  const [members = 5000, rows = 100_000, seconds = 200] = process.argv.slice(2).map(Number);
  const networks = Array.from({ length: 5 }, (_, i) => `network${i}`.padEnd(25, '0'));
  console.log(await measureScale({ members, rows, networks }, seconds * 1000));
}
