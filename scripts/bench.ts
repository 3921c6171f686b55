import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { measureCompleteAssignment } from '#test/bench/complete-assignment.ts';
import { measureDns } from '#test/bench/dns/measure.ts';
import { type Figure, figureLine, isKept, quantile, ratio } from '#test/bench/figures.ts';
import { gossipFigures } from '#test/bench/gossip/figures.ts';
import { measureOverlay, OVERLAY_PARTS } from '#test/bench/overlay/measure.ts';
import { measureTenThousand } from '#test/bench/overlay/ten-thousand.ts';
import { cpuSeconds, residentMB } from '#test/bench/process-facts.ts';
import { createService, removeService, scaleService } from '#test/bench/services.ts';
import { type Stage, setStage } from '#test/bench/stage.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { swarmNodes } from '#test/hosts/swarm.ts';

/**
 * `npm run bench`: netd's worker against Docker's own on the same machine in the same run, and netd's own weight. Prints
 * each figure with its bound; a figure over its bound makes the exit status 1.
 *
 *   --rounds N     rounds of single starts (20)
 *   --only WHAT    only `dns`, `gossip`, `overlay` or `worker`; of `overlay` also `overlay-size`, `overlay-starts` or
 *                  `overlay-traffic`
 */

const root = join(import.meta.dirname, '..');
const rounds = Number(process.argv[process.argv.indexOf('--rounds') + 1]) || 20;
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
const SCALE = 100;

async function main(): Promise<void> {
  if (!existsSync(join(root, 'dist', 'netd'))) buildNetd();
  const figures: Figure[] = [];
  if (!only || only === 'dns') figures.push(...(await measureDns(progress)));
  if (!only || only === 'gossip') figures.push(...(await gossipFigures(progress)));
  figures.push(...(await overlay()));
  if (!only || only === 'worker') figures.push(...(await worker()));
  say('');
  for (const figure of figures) say(figureLine(figure));
  say(`load average ${loadavg()[0]?.toFixed(1)}: ${availableParallelism()} processors`);
  process.exitCode = figures.every(isKept) ? 0 : 1;
}

/** Overlay networks beside Docker's, and how large they may be. */
async function overlay(): Promise<readonly Figure[]> {
  const isWanted = (part: string) => !only || only === 'overlay' || only === `overlay-${part}`;
  const size = isWanted('size') ? await measureTenThousand(progress) : [];
  return [...size, ...(await measureOverlay(rounds, progress, OVERLAY_PARTS.filter(isWanted)))];
}

/** The worker's own figures. */
async function worker(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  say('a manager, a netd worker (dist/netd) and a Docker worker are being started …');
  await using stage = await setStage();
  figures.push(...(await starts(stage)));
  figures.push(...(await weight(stage)));
  figures.push(...(await ready(stage)));
  figures.push(await manyAssignments());
  return figures;
}

/** Single starts, the two workers in turn so that both see the same machine. */
async function starts(stage: Stage): Promise<readonly Figure[]> {
  const { manager, netdHost, dockerHost } = stage;
  const samples = { ours: [] as number[], theirs: [] as number[] };
  for (let round = -2; round < rounds; round++) {
    for (const side of round % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
      const host = side === 'ours' ? netdHost : dockerHost;
      const ms = await createService(manager, 'one', host, 1);
      if (round >= 0) samples[side].push(ms); // the first two warm both sides up
      await removeService(manager, 'one', host);
    }
    progress(`service create to RUNNING: round ${round + 3} of ${rounds + 2}`);
  }
  const at = (part: number) => [quantile(samples.ours, part), quantile(samples.theirs, part)] as const;
  return [
    ratio('service create to RUNNING, median', ...at(0.5), 1.0),
    ratio('service create to RUNNING, p95', ...at(0.95), 1.1),
  ];
}

/** 1 to 100 to 0 on each worker in turn, three times; the memory and the quiet of netd while it runs a hundred. */
async function weight(stage: Stage): Promise<readonly Figure[]> {
  const { manager, netdHost, dockerHost, netd } = stage;
  await netd.restart();
  await eventually('netd is ready again', async () => (await netd.exec(['status'])).exitCode === 0);
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const idleMB = residentMB(netd.process.pid);
  const up = { ours: [] as number[], theirs: [] as number[] };
  const down = { ours: [] as number[], theirs: [] as number[] };
  let fullMB = 0;
  let idleCpu = 0;
  for (let round = 0; round < 3; round++) {
    for (const side of round % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
      const host = side === 'ours' ? netdHost : dockerHost;
      progress(`scale 1 to ${SCALE} to 0: round ${round + 1} of 3, ${host.name}`);
      await createService(manager, 'many', host, 1);
      up[side].push(await scaleService(manager, 'many', host, SCALE));
      if (side === 'ours' && round === 0) ({ fullMB, idleCpu } = await quiet(netd.process.pid));
      down[side].push(await scaleService(manager, 'many', host, 0));
      await removeService(manager, 'many', host);
    }
  }
  const median = (of: typeof up) => [quantile(of.ours, 0.5), quantile(of.theirs, 0.5)] as const;
  return [
    ratio(`scale 1 to ${SCALE}, median of 3`, ...median(up), 1.0),
    ratio(`scale ${SCALE} to 0, median of 3`, ...median(down), 1.0),
    { name: 'resident memory, idle', value: idleMB, unit: 'MB', bound: 110, detail: '10 s after the start' },
    { name: `resident memory, ${SCALE} tasks`, value: fullMB, unit: 'MB', bound: 130, detail: '' },
    { name: `CPU with ${SCALE} tasks at rest`, value: idleCpu, unit: '% of a core', bound: 1, detail: 'over 30 s' },
  ];
}

async function quiet(pid: number): Promise<{ fullMB: number; idleCpu: number }> {
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const before = cpuSeconds(pid);
  const QUIET_S = 30;
  await new Promise((resolve) => setTimeout(resolve, QUIET_S * 1000));
  return { fullMB: residentMB(pid), idleCpu: ((cpuSeconds(pid) - before) / QUIET_S) * 100 };
}

/** From the start of the process to `Ready` at the manager, which had given the node up. */
async function ready(stage: Stage): Promise<readonly Figure[]> {
  const { manager, netd, netdHost } = stage;
  const samples: number[] = [];
  const status = async () => (await swarmNodes(manager)).find((node) => node.hostname === netdHost.name)?.status;
  const api = manager.engine.api();
  const id = (await swarmNodes(manager)).find((node) => node.hostname === netdHost.name)?.id ?? '';
  for (let round = 0; round < 3; round++) {
    progress(`process start to Ready: round ${round + 1} of 3`);
    await netd.stop();
    await eventually('the node is down', async () => (await status()) === 'Down', { timeoutMs: 60_000 });
    const startedMs = performance.now();
    await netd.spawn();
    await eventually(
      'the node is ready',
      async () => ((await api.getNode(id).inspect()) as { Status: { State: string } }).Status.State === 'ready',
      { timeoutMs: 60_000, intervalMs: 10 },
    );
    samples.push(performance.now() - startedMs);
  }
  const detail = samples.map((ms) => `${ms.toFixed(0)} ms`).join(', ');
  return [{ name: 'process start to Ready', value: quantile(samples, 0.5) / 1000, unit: 's', bound: 1.5, detail }];
}

/** A thousand tasks in one message: how long nothing else had its turn. */
async function manyAssignments(): Promise<Figure> {
  progress('1000 assignments in one message');
  const { longestBusyMs, longestStallMs, takenMs } = await measureCompleteAssignment(1000);
  const detail = `longest stall ${longestStallMs.toFixed(0)} ms with what else runs here, all taken after ${takenMs.toFixed(0)} ms`;
  return { name: '1000 assignments at once, longest turn', value: longestBusyMs, unit: 'ms', bound: 50, detail };
}

function buildNetd(): void {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts', 'build.ts')], { stdio: 'inherit' });
  if (status !== 0) throw new Error('dist/netd could not be built');
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else process.stderr.write(`${text}\n`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
