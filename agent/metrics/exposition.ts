import { Counter, Gauge, Registry } from 'prom-client';
import type { MetricFamily } from './metric-family.ts';

/** The text format of Prometheus, version 0.0.4. */
export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/**
 * The families as text. The registry lives for one scrape: nothing is remembered, so a value that is gone is gone from the text.
 */
export function expositionOf(families: readonly MetricFamily[]): Promise<string> {
  const registry = new Registry();
  for (const family of families) register(family, registry);
  return registry.metrics();
}

function register({ name, type, help, samples }: MetricFamily, registry: Registry): void {
  const [first] = samples;
  if (first === undefined) return; // prom-client would say 0
  const options = { name, help, labelNames: Object.keys(first.labels), registers: [registry] };
  if (type === 'counter') {
    const counter = new Counter(options);
    for (const { labels, value } of samples) counter.inc({ ...labels }, value);
  } else {
    const gauge = new Gauge(options);
    for (const { labels, value } of samples) gauge.set({ ...labels }, value);
  }
}
