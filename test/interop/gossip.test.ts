import { afterAll, describe, expect, vi } from 'vitest';
import { MANAGER_VERSIONS } from '#test/conformance/versions.ts';
import { complaints } from './docker-side.ts';
import { calmScenario } from './scenarios/calm.ts';
import { rowScenarios } from './scenarios/rows.ts';
import { onlyDockerScenario, troubleScenarios } from './scenarios/trouble.ts';
import { useGossipSwarm } from './use-swarm.ts';

// Nearly all of it is waiting: everything at once takes as long as the longest.
vi.setConfig({ maxConcurrency: 200, testTimeout: 300_000 });

describe.concurrent.each(MANAGER_VERSIONS)('gossip of two nodes, manager $version', ({ suite }) => {
  const swarm = useGossipSwarm({
    manager: { name: 'm1', engine: suite },
    rotationSec: 20,
    workers: {},
    probes: ['p1'],
  });
  calmScenario(swarm);
  onlyDockerScenario(swarm);
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

describe.concurrent.each(MANAGER_VERSIONS)('gossip of eight nodes and much trouble, Docker $version', ({ suite }) => {
  const swarm = useGossipSwarm({
    manager: { name: 'm1', engine: suite },
    workers: { w1: suite, w2: suite },
    probes: ['rows', 'leave', 'crash', 'fail', 'cut'],
  });
  rowScenarios(swarm);
  troubleScenarios(swarm);
  afterAll(() => {
    for (const docker of swarm().dockers) expect(complaints(docker, 'misunderstanding'), docker.name).toEqual([]);
  });
});
