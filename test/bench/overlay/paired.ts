import { type Figure, quantile } from '../figures.ts';

/** How sure the samples must be before a figure counts as over its bound. */
const CONFIDENCE = 0.95;

export interface Pairs {
  readonly name: string;
  readonly ours: readonly number[];
  readonly docker: readonly number[];
  /** Whether more is better, as with throughput: the figure then is Docker's over ours, less is better in every figure. */
  readonly isMoreBetter?: boolean;
  readonly bound?: number;
  readonly show: (sample: number) => string;
}

/**
 * Rounds in which both sides had the same machine: the figure is the median of the rounds' ratios. Where both sides run through
 * the same kernel they differ by less than the machine does from second to second, so what is held is what the rounds show at
 * least.
 */
export function paired({ name, ours, docker, isMoreBetter = false, bound = 1, show }: Pairs): Figure {
  const ratios = ours.map((sample, round) => {
    const other = docker[round] ?? Number.NaN;
    return isMoreBetter ? other / sample : sample / other;
  });
  const [low, high] = [lowEnd(ratios), -lowEnd(ratios.map((ratio) => -ratio))];
  const [mine, theirs] = [quantile(ours, 0.5), quantile(docker, 0.5)];
  const times = isMoreBetter ? `, ${(mine / theirs).toFixed(2)} times as much` : '';
  const range = `between ${low.toFixed(2)} and ${high.toFixed(2)} by ${ratios.length} rounds`;
  const detail = `${show(mine)} against ${show(theirs)}${times}; ${range}`;
  return { name, value: quantile(ratios, 0.5), unit: 'times', bound, detail, surely: low };
}

/** What the median of the samples' distribution is not below, whatever that distribution: the sign test's end of the interval. */
function lowEnd(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const count = sorted.length;
  // Of `count` samples, `below` or fewer lie under the median with this probability.
  let chance = 0.5 ** count;
  let term = chance;
  let below = 0;
  while (chance <= 1 - CONFIDENCE && below < count) {
    below++;
    term *= (count - below + 1) / below;
    chance += term;
  }
  return sorted[Math.max(0, below - 1)] ?? Number.NaN;
}
