/** Figures and how they are printed: one line each, with the bound they are held against. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The most it may be, from the product's promises. */
  readonly bound: number;
  /** What it was made of. */
  readonly detail: string;
  /** The least that the samples show, where one run is mostly noise: held in place of the value. */
  readonly surely?: number;
}

export function isKept({ value, surely = value, bound }: Figure): boolean {
  return surely <= bound;
}

/** The value below which that part of the samples lies (nearest rank). `part` in (0, 1]. */
export function quantile(samples: readonly number[], part: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

export function ratio(name: string, ours: number, theirs: number, bound: number, unit = 'ms'): Figure {
  const detail = `${ours.toFixed(0)} ${unit} against ${theirs.toFixed(0)} ${unit}`;
  return { name, value: ours / theirs, unit: 'times', bound, detail };
}

export function figureLine(figure: Figure): string {
  const { name, value, unit, bound, detail } = figure;
  const verdict = isKept(figure) ? 'ok  ' : 'OVER';
  const text = unit === 'times' ? value.toFixed(2) : value.toFixed(value < 10 ? 2 : 0);
  return `${verdict}  ${name.padEnd(46)} ${text.padStart(7)} ${unit} (at most ${bound})  ${detail}`;
}
