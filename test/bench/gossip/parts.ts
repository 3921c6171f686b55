import { measureSpread, quantile } from '#test/sim/spread.ts';
import type { Figure } from '../figures.ts';
import { measureApply } from './apply.ts';
import { missedNetworkEvents } from './network-events.ts';
import { referenceMisses } from './reference-broadcast.ts';
import { measureScale } from './scale.ts';

/** Told how far a measurement has come. */
export type Progress = (text: string) => void;

/** One measurement, made in a process of its own. */
export interface Part {
  readonly about: string;
  /** What it may take before it is given up: three times a quiet machine, and ten minutes for all parts together. */
  readonly limitSec: number;
  readonly measure: (progress: Progress) => Promise<readonly Figure[]>;
}

const SMALL_CLUSTER = 20;
const EVENTS = 100_000;
const LARGE_CLUSTER = 1000;
const LOSS = 0.05;
const APPLIED = 99_996;
/** One whole round of bulk syncs of 100,000 rows. */
const STEADY_MS = 200_000;

/** The gossip's promises: spread in simulated time, cost in processor time. */
export const PARTS: ReadonlyMap<string, Part> = new Map([
  [
    'anti-entropy',
    { about: `${EVENTS} events among ${SMALL_CLUSTER} nodes, simulated`, limitSec: 130, measure: antiEntropy },
  ],
  ['spread', { about: `${LARGE_CLUSTER} nodes and ${LOSS * 100} % loss, simulated`, limitSec: 120, measure: spread }],
  ['apply', { about: 'decoding and applying rows', limitSec: 60, measure: apply }],
  ['scale', { about: 'one node among 5,000 with 100,000 rows, over real sockets', limitSec: 290, measure: scale }],
]);

async function antiEntropy(progress: Progress): Promise<readonly Figure[]> {
  const ours = missedNetworkEvents(1, SMALL_CLUSTER, EVENTS, progress);
  const theirs = referenceMisses(1, SMALL_CLUSTER, EVENTS);
  const per = (count: number) => (count === 0 ? `none of ${EVENTS}` : `1 in ${Math.round(EVENTS / count)}`);
  const detail = `${per(ours)} against ${per(theirs)} with the reference's parameters, a ratio of ${(ours / theirs).toFixed(4)}`;
  return [
    {
      name: `events anti-entropy must bring, ${SMALL_CLUSTER} nodes`,
      value: ours,
      unit: 'in 100,000',
      bound: 1,
      detail,
    },
  ];
}

async function spread(): Promise<readonly Figure[]> {
  const result = measureSpread({
    seed: 1,
    nodes: LARGE_CLUSTER,
    onNetwork: LARGE_CLUSTER,
    events: 100,
    loss: LOSS,
    everyMs: 200,
    streams: false,
  });
  const name = `all of ${LARGE_CLUSTER} nodes reached, 5 % loss, p99`;
  const detail = `simulated, 100 events, ${result.incomplete} of them never by gossip`;
  return [{ name, value: quantile(result.completeMs, 0.99) / 1000, unit: 's', bound: 2, detail }];
}

/** Given as time for each event, as every bound is an upper one. */
async function apply(): Promise<readonly Figure[]> {
  measureApply(APPLIED); // warms up
  const perSec = measureApply(APPLIED);
  const detail = `${Math.round(perSec / 1000)},000 events in a second of processor time (at least 50,000)`;
  return [{ name: 'decode and apply a row', value: 1e6 / perSec, unit: 'µs', bound: 20, detail }];
}

async function scale(progress: Progress): Promise<readonly Figure[]> {
  const networks = Array.from({ length: 5 }, (_, i) => `network${i}x`.padEnd(25, '0'));
  const result = await measureScale({ members: 5000, rows: 100_000, networks }, STEADY_MS, progress);
  const size = '5,000 members, 100,000 rows';
  const turn = (name: string, value: number, detail: string): Figure => ({
    name,
    value,
    unit: 'ms',
    bound: 50,
    detail,
  });
  return [
    {
      name: `gossip memory, ${size}`,
      value: result.fullMB - result.emptyMB,
      unit: 'MB',
      bound: 150,
      detail: `above ${result.emptyMB.toFixed(0)} MB of an empty node`,
    },
    {
      name: `gossip CPU, ${size}`,
      value: result.steadyCpu,
      unit: '% of a core',
      bound: 2,
      detail: `over ${STEADY_MS / 1000} s`,
    },
    turn(
      'gossip, longest turn while joining',
      result.joinTurnMs,
      `of processor time; complete after ${(result.filledMs / 1000).toFixed(1)} s`,
    ),
    turn(
      'gossip, longest turn with whole states',
      result.exchangeTurnMs,
      'of processor time, push/pulls and bulk syncs',
    ),
  ];
}
