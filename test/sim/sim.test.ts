import { describe, expect, test } from 'vitest';
import { TABLE } from './agreement.ts';
import { sharePlot } from './plot.ts';
import { randomRun } from './scenario.ts';
import { settledWorld } from './settled.ts';
import { measureSpread, quantile } from './spread.ts';

/** Random runs in the normal test run; `npm run sim -- --runs 10000` does more. */
const RUNS = 220;
const RUNS_EACH = 10;
/** Generous: the machine may be busy. Ten runs take about a second. */
const TIMEOUT_MS = 120_000;

describe('random troubled runs', () => {
  const firsts = Array.from({ length: RUNS / RUNS_EACH }, (_, i) => 1 + i * RUNS_EACH);

  test.each(firsts)(
    'seeds from %i: all agree in the end, and nothing comes back',
    (first) => {
      for (let seed = first; seed < first + RUNS_EACH; seed++) {
        const { differences } = randomRun(seed);
        // Replay: npm run sim -- --runs 1 --verbose --seed N
        expect(differences, `seed ${seed}`).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test.each([1, 2, 3])(
    'seed %i with 40 hosts',
    (seed) => {
      // Replay: npm run sim -- --runs 1 --hosts 40 --verbose --seed N
      expect(randomRun(seed, 40).differences).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'the same seed is the same run',
    () => {
      const [a, b] = [randomRun(4711), randomRun(4711)];
      expect(a.log).toEqual(b.log);
      expect(a.world.traffic).toEqual(b.world.traffic);
    },
    TIMEOUT_MS,
  );
});

describe('how news spreads', () => {
  const base = { seed: 1, loss: 0, everyMs: 50, streams: false };

  test(
    '20 nodes: gossip alone brings every event to everybody, at one event in 50 ms',
    () => {
      const result = measureSpread({ ...base, nodes: 20, onNetwork: 20, events: 1500 });
      expect(result.incomplete).toBe(0);
      expect(quantile(result.completeMs, 0.99)).toBeLessThan(1200);
    },
    TIMEOUT_MS,
  );

  test(
    '300 nodes and 5 % loss: p99 of events has reached all within 2 s',
    () => {
      const result = measureSpread({ ...base, nodes: 300, onNetwork: 300, events: 25, loss: 0.05 });
      expect(result.incomplete).toBe(0);
      expect(quantile(result.completeMs, 0.99)).toBeLessThan(2000);
      expect(sharePlot('spread', [{ label: 'nodes', colour: 'black', values: result.delaysMs }])).toMatch(
        /^<svg .*<\/svg>\n$/s,
      );
    },
    TIMEOUT_MS,
  );

  test(
    'N20 300 nodes on 5 networks: queues empty themselves, 5 % of a processor is enough, and a whole state is told within 50 ms',
    () => {
      const networks = [1, 2, 3, 4, 5].map((n) => `network${n}`.padEnd(25, '0'));
      const world = settledWorld(1, 300, 300, networks);
      for (const [i, network] of networks.entries()) {
        const value = Buffer.alloc(100, i);
        for (const node of world.nodes.slice(10 * i, 10 * i + 4)) {
          world.input(node, {
            kind: 'publish',
            network,
            table: TABLE,
            key: node.core.config.name,
            value,
            as: 'create',
          });
        }
      }
      world.run(12_000);
      for (const { core } of world.nodes) {
        const own = [...core.db.state.own.values()];
        const rows = own.reduce((sum, one) => sum + one.own.size + one.relayed.size, 0);
        expect([core.swim.state.queue.size, core.db.pendingBroadcasts(), rows]).toEqual([0, 0, 0]);
        expect(networks.map((network) => core.db.state.rows.count(network))).toEqual([4, 4, 4, 4, 4]);
      }
      // Processor time of this thread, for all nodes and their wires: the machine may be busy, the nodes may not.
      const IDLE_MS = 10_000;
      const before = process.threadCpuUsage();
      world.run(IDLE_MS);
      const { user, system } = process.threadCpuUsage(before);
      expect((user + system) / 1000 / IDLE_MS / world.nodes.length).toBeLessThan(0.05);
      const [node] = world.nodes;
      const tookMs = [1, 2, 3, 4, 5].map(() => {
        const started = process.threadCpuUsage();
        node?.core.swim.exchange({ ip: '10.255.0.1', port: 7946 }, false, () => undefined);
        const took = process.threadCpuUsage(started);
        return (took.user + took.system) / 1000;
      });
      expect(Math.min(...tookMs)).toBeLessThan(50);
    },
    TIMEOUT_MS,
  );
});
