import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { sharePlot } from './plot.ts';
import { randomRun } from './scenario.ts';
import { measureSpread, quantile } from './spread.ts';

// npm run sim -- --nodes 5000 --loss 0.05 --svg spread.svg     how fast events spread in a settled cluster
// npm run sim -- --runs 1000 --seed 1                          random troubled runs, each by its seed
// npm run sim -- --runs 1 --seed 17 --verbose                  one of them again, with everything that happened

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    attached: { type: 'string' },
    events: { type: 'string', default: '20' },
    every: { type: 'string', default: '500' },
    loss: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    streams: { type: 'boolean', default: false },
    svg: { type: 'string' },
    runs: { type: 'string' },
    hosts: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
if (values.runs !== undefined) process.exitCode = troubledRuns(Number(values.runs));
else spreadRun();

function troubledRuns(runs: number): number {
  let failed = 0;
  const settled: number[] = [];
  for (let one = seed; one < seed + runs; one++) {
    const outcome = randomRun(one, values.hosts === undefined ? undefined : Number(values.hosts));
    if (values.verbose) console.log(outcome.log.join('\n'));
    if (outcome.settledMs !== undefined) settled.push(outcome.settledMs);
    if (outcome.differences.length === 0) continue;
    failed++;
    console.log(`seed ${one}: ${outcome.differences.join('\n  ')}`);
  }
  const sorted = Float64Array.from(settled).sort();
  console.log(`${runs} runs from seed ${seed}: ${failed} failed`);
  console.log(`agreement after trouble: p50 ${seconds(quantile(sorted, 0.5))}, p99 ${seconds(quantile(sorted, 0.99))}`);
  return failed === 0 ? 0 : 1;
}

function spreadRun(): void {
  const nodes = Number(values.nodes);
  // Every node keeps a table of who is on which network: beyond some thousands of nodes that is gigabytes in one process.
  const onNetwork = Math.min(nodes, Number(values.attached ?? Math.min(nodes, 2000)));
  const loss = Number(values.loss);
  const started = performance.now();
  const result = measureSpread({
    seed,
    nodes,
    onNetwork,
    events: Number(values.events),
    everyMs: Number(values.every),
    loss,
    streams: values.streams,
  });
  const { delaysMs, completeMs, traffic, simulatedMs } = result;
  console.log(`${nodes} nodes, ${onNetwork} on the network, loss ${loss}, ${values.events} events, seed ${seed}`);
  const line = (name: string, sorted: Float64Array) => {
    const parts = [0.5, 0.9, 0.99, 1].map((share) => `p${share * 100} ${seconds(quantile(sorted, share))}`);
    console.log(`${name}: ${parts.join(', ')}`);
  };
  line('one node reached', delaysMs);
  line('all nodes reached', completeMs);
  console.log(`events that did not reach everybody by gossip: ${result.incomplete}`);
  const perNode = (count: number) => (count / nodes / (simulatedMs / 1000)).toFixed(2);
  console.log(`per node and second: ${perNode(traffic.packets)} packets, ${perNode(traffic.packetBytes)} bytes`);
  const tookMs = performance.now() - started;
  console.log(
    `${seconds(simulatedMs)} simulated in ${seconds(tookMs)}, ${Math.round(process.memoryUsage().rss / 2 ** 20)} MB`,
  );
  if (values.svg === undefined) return;
  const curves = [
    { label: 'nodes reached', colour: '#1f77b4', values: delaysMs },
    { label: 'events that reached everybody', colour: '#d62728', values: completeMs },
  ];
  writeFileSync(values.svg, sharePlot(`${nodes} nodes, loss ${loss * 100} %: time from publishing`, curves));
  console.log(`plot written to ${values.svg}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
