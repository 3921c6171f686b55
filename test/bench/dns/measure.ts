import { type Figure, quantile } from '../figures.ts';
import { paired } from '../overlay/paired.ts';
import { cpuSeconds } from '../process-facts.ts';
import { latenciesAt, latenciesAtMost, mostQueries } from './dnsperf.ts';
import { type DnsStage, OUTSIDE, SERVICE, type Side, setDnsStage } from './stage.ts';

/** Of each measurement: the sides take turns, so that both see the same machine. */
const ROUNDS = 8;
const SECONDS = 2;

/**
 * Loads at which the time of each answer is taken, as parts of what Docker's resolver answered at most in the same round: both
 * keep up, so that both are asked as much.
 */
const STEADY = [0.2, 0.6] as const;

const KINDS = [
  { what: 'service names', name: SERVICE },
  { what: 'forwarded names', name: OUTSIDE },
] as const;

type Progress = (text: string) => void;
type Samples = Readonly<Record<Side, number[]>>;

/**
 * The resolvers of a netd worker and a Docker worker of one swarm, asked by dnsperf from inside a container: the most queries per
 * second, the CPU time each takes of the daemon, and how long answers take, at the same steady load and when as many come as can.
 */
export async function measureDns(progress: Progress): Promise<readonly Figure[]> {
  progress('a manager, a netd worker and a Docker worker are being started');
  await using stage = await setDnsStage();
  const figures: Figure[] = [];
  for (const kind of KINDS) figures.push(...(await compare(kind, stage, progress)));
  return figures;
}

async function compare(
  { what, name }: (typeof KINDS)[number],
  { resolvers }: DnsStage,
  progress: Progress,
): Promise<readonly Figure[]> {
  const most = samples();
  const cpuUs = samples();
  const flood = { p50: samples(), p99: samples() };
  const steady = STEADY.map((part) => ({ part, p50: samples(), p99: samples() }));
  for (let round = 0; round < ROUNDS; round++) {
    const sides = round % 2 === 0 ? (['ours', 'docker'] as const) : (['docker', 'ours'] as const);
    const loads = sides.map((side) => ({
      side,
      load: { namespace: resolvers[side].namespace, name, seconds: SECONDS },
    }));
    progress(`DNS, ${what}: round ${round + 1} of ${ROUNDS}`);
    for (const { side, load } of loads) {
      const before = cpuSeconds(resolvers[side].pid);
      const perSecond = await mostQueries(load);
      most[side].push(perSecond);
      cpuUs[side].push(((cpuSeconds(resolvers[side].pid) - before) / (perSecond * SECONDS)) * 1e6);
    }
    for (const { side, load } of loads) take(flood, side, await latenciesAtMost(load));
    for (const at of steady) {
      const perSecond = Math.max(1, Math.round(at.part * (most.docker[round] ?? 0)));
      for (const { side, load } of loads) take(at, side, await latenciesAt(load, perSecond));
    }
  }
  const inMs = (ms: number) => `${ms.toFixed(2)} ms`;
  const times = (kind: string, { p50, p99 }: { readonly p50: Samples; readonly p99: Samples }) => [
    paired({ name: `DNS p50 ${kind}, ${what}`, ...p50, show: inMs }),
    paired({ name: `DNS p99 ${kind}, ${what}`, ...p99, show: inMs }),
  ];
  const show = (perSecond: number) => perSecond.toFixed(0);
  return [
    // Docker's over netd's, so that less is better as in every figure: 1.5 times as many is 0.67.
    paired({ name: `DNS queries per second, ${what}`, ...most, isMoreBetter: true, bound: 0.67, show }),
    paired({ name: `DNS CPU time per query, ${what}`, ...cpuUs, show: (us) => `${us.toFixed(1)} µs` }),
    ...steady.flatMap((at) => times(`at ${at.part * 100} % of Docker's most`, at)),
    paired({ name: `DNS p99 at the most of each, ${what}`, ...flood.p99, show: inMs }),
  ];
}

function samples(): Samples {
  return { ours: [], docker: [] };
}

function take({ p50, p99 }: { readonly p50: Samples; readonly p99: Samples }, side: Side, ms: readonly number[]): void {
  p50[side].push(quantile(ms, 0.5));
  p99[side].push(quantile(ms, 0.99));
}

if (import.meta.main) {
  const { figureLine } = await import('../figures.ts');
  for (const figure of await measureDns((text) => console.error(text))) console.log(figureLine(figure));
}
