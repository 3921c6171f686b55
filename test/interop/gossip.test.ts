import { describe, vi } from 'vitest';
import { MANAGER_VERSIONS } from '#test/conformance/versions.ts';
import { useGossipSwarm } from './bed.ts';
import { calmScenario } from './scenarios/calm.ts';

// Nearly all of it is waiting: everything at once takes as long as the longest.
vi.setConfig({ maxConcurrency: 200, testTimeout: 300_000 });

describe.concurrent.each(MANAGER_VERSIONS)('gossip of two nodes, manager $version', ({ suite }) => {
  calmScenario(
    useGossipSwarm({ manager: { name: 'm1', engine: suite }, rotationSec: 20, workers: {}, probes: ['p1'] }),
  );
});

describe.concurrent('gossip of eight nodes of all versions', () => {
  calmScenario(
    useGossipSwarm({
      manager: { name: 'm1', engine: 'sid' },
      rotationSec: 25,
      workers: { w1: 'bookworm', w2: 'trixie', w3: 'sid' },
      probes: ['p1', 'p2', 'p3', 'p4'],
    }),
  );
});
