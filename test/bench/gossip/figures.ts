import { measureSpread, quantile } from '#test/sim/spread.ts';
import type { Figure } from '../figures.ts';
import { measureApply } from './apply.ts';
import { missedNetworkEvents } from './network-events.ts';
import { referenceMisses } from './reference-broadcast.ts';
import { measureScale } from './scale.ts';

const SMALL_CLUSTER = 20;
const EVENTS = 100_000;
const LARGE_CLUSTER = 1000;
const LOSS = 0.05;
const APPLIED = 99_996;
/** One whole round of bulk syncs of 100,000 rows. */
const STEADY_MS = 200_000;

/** The gossip's promises, each with its bound: spread in simulated time, cost on a real node with real sockets. */
export async function gossipFigures(progress: (text: string) => void): Promise<readonly Figure[]> {
  progress(`gossip: ${EVENTS} events among ${SMALL_CLUSTER} nodes, simulated`);
  const small = anti();
  progress(`gossip: ${LARGE_CLUSTER} nodes and ${LOSS * 100} % loss, simulated`);
  const spread = measureSpread({
    seed: 1,
    nodes: LARGE_CLUSTER,
    onNetwork: LARGE_CLUSTER,
    events: 100,
    loss: LOSS,
    everyMs: 200,
    streams: false,
  });
  const reachedSec = quantile(spread.completeMs, 0.99) / 1000;
  progress('gossip: decoding and applying rows');
  measureApply(APPLIED); // warms up
  const perSec = measureApply(APPLIED);
  progress('gossip: one node among 5,000 with 100,000 rows, over real sockets');
  return [...small, spreadFigure(reachedSec, spread.incomplete), applyFigure(perSec), ...(await scale())];
}

function anti(): Figure[] {
  const ours = missedNetworkEvents(1, SMALL_CLUSTER, EVENTS);
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

function spreadFigure(value: number, incomplete: number): Figure {
  const name = `all of ${LARGE_CLUSTER} nodes reached, 5 % loss, p99`;
  return { name, value, unit: 's', bound: 2, detail: `simulated, 100 events, ${incomplete} of them never by gossip` };
}

/** Given as time for each event, as every bound is an upper one. */
function applyFigure(perSec: number): Figure {
  const detail = `${Math.round(perSec / 1000)},000 events a second (at least 50,000)`;
  return { name: 'decode and apply a row', value: 1e6 / perSec, unit: 'µs', bound: 20, detail };
}

async function scale(): Promise<Figure[]> {
  const networks = Array.from({ length: 5 }, (_, i) => `network${i}x`.padEnd(25, '0'));
  const result = await measureScale({ members: 5000, rows: 100_000, networks }, STEADY_MS);
  const grownMB = result.fullMB - result.emptyMB;
  const size = '5,000 members, 100,000 rows';
  return [
    {
      name: `gossip memory, ${size}`,
      value: grownMB,
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
    {
      name: 'gossip, longest turn while joining',
      value: result.joinTurnMs,
      unit: 'ms',
      bound: 50,
      detail: `complete after ${(result.filledMs / 1000).toFixed(1)} s`,
    },
    {
      name: 'gossip, longest turn with whole states',
      value: result.exchangeTurnMs,
      unit: 'ms',
      bound: 50,
      detail: 'push/pulls and bulk syncs',
    },
  ];
}

if (import.meta.main) {
  const { figureLine } = await import('../figures.ts');
  const figures = await gossipFigures((text) => console.error(text));
  for (const figure of figures) console.log(figureLine(figure));
}
