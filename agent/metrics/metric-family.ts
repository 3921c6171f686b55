/** One value of a metric. The labels tell it from the other values of its family. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with all its values at one moment. Every sample has the same label names. */
export interface MetricFamily {
  /** With its unit at the end: base units, and `_total` for counters (Prometheus, "Metric and label naming"). */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  /** One line for people. */
  readonly help: string;
  /** None where the metric does not apply: an absent value can be told from 0. */
  readonly samples: readonly Sample[];
}

/** A family with one value and no labels; none if the value is null. */
export function single(type: MetricFamily['type'], name: string, help: string, value: number | null): MetricFamily {
  return { name, type, help, samples: value === null ? [] : [{ labels: {}, value }] };
}
