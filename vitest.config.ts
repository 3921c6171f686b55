import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Has a core to itself for a minute and more: begins first, and all that takes less time runs on the others meanwhile. */
const LONG = ['test/fuzz/fuzz.test.ts', 'test/sim/sim.test.ts'];

interface Round {
  /** Files that run at a time. */
  readonly lanes: number;
  /** In the order in which they begin. */
  readonly files: readonly string[];
}

/**
 * Suites with real engines mostly wait, so two or three files run at a time. A round is over before the next begins: what is in
 * one may run side by side, and what is not never does. Three rules divide them:
 *
 * - The largest (nodes, surviving, gossip) have up to forty engines, of all versions at once. Two of them that begin together
 *   would want more cores than there are.
 * - Files that hold netd to times or count lost packets stand beside those that mostly wait.
 * - The longest begin first, and what ends last ends together: cores that wait for the end of a round are lost.
 *
 * Files named nowhere come last.
 */
const ROUNDS: Readonly<Record<string, Round>> = {
  networks: {
    lanes: 3,
    files: [
      'test/overlay-swarm/overlay-swarm.test.ts',
      'test/interop/wired.test.ts',
      'test/hosts/engine.test.ts',
      'test/interop/gossip.test.ts',
      'test/overlay-checks/mixed.test.ts',
      'test/overlay-swarm/guests.test.ts',
      'test/path/swarm-path.test.ts',
      'test/conformance/engine-logs.test.ts',
      'test/dns/docker.test.ts',
      'test/pki/rotation.test.ts',
      'test/hosts/registry.test.ts',
      'test/overlay/overlay.test.ts',
      'test/overlay-checks/bad-input.test.ts',
    ],
  },
  nodes: {
    lanes: 2,
    files: [
      'test/conformance/nodes.test.ts',
      'test/dns/resolver.test.ts',
      'test/pki/own-ca.test.ts',
      'test/pki/join.test.ts',
      'test/conformance/bad-input.test.ts',
      'test/conformance/container-mapping.test.ts',
      'test/conformance/task-endings.test.ts',
      'test/conformance/networks.test.ts',
    ],
  },
  lives: {
    lanes: 2,
    files: [
      'test/surviving/surviving.test.ts',
      'test/overlay-checks/faults.test.ts',
      'test/conformance/tasks.test.ts',
      'test/hosts/container-image.test.ts',
      'test/overlay-swarm/mixed.test.ts',
      'test/overlay-checks/data-path.test.ts',
      'test/hosts/package.test.ts',
      'test/hosts/netd.test.ts',
      'test/conformance/payload-memory.test.ts',
    ],
  },
};

/** What looks at all of the machine, or at how much time it has: one file after the other. */
const ALONE = [
  'test/hosts/{bed,traces}.test.ts',
  'test/kernel/**/*.test.ts',
  'test/overlay/ten-thousand.test.ts',
  'test/overlay-checks/many-networks.test.ts',
  'test/path/path.test.ts',
];

/** Simulation and fuzzing take a core each for a minute, and units mostly wait for their own clocks. */
const SMALL_LANES = Math.max(3, availableParallelism());

const HOSTS =
  'test/{dns,hosts,kernel,interop,conformance,overlay,overlay-checks,overlay-swarm,path,surviving,pki}/**/*.test.ts';

const TOLD = [...LONG, ...Object.values(ROUNDS).flatMap(({ files }) => files)];
for (const path of TOLD) if (!existsSync(join(import.meta.dirname, path))) throw new Error(`there is no ${path}`);

/** Files in the order told above; others, longest first, after those. */
class AsTold extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = TOLD.findIndex((path) => moduleId.endsWith(`/${path}`));
      return at === -1 ? TOLD.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

function hosts(
  name: string,
  groupOrder: number,
  maxWorkers: number,
  include: readonly string[],
  exclude: string[] = [],
) {
  return {
    test: {
      name,
      include: [...include],
      exclude,
      testTimeout: 120_000,
      hookTimeout: 300_000,
      maxWorkers,
      // Concurrent tests are those that mostly wait: for what a manager does after a minute, say.
      maxConcurrency: 24,
      sequence: { groupOrder },
    },
  } satisfies TestProjectInlineConfiguration;
}

const rounds = Object.entries(ROUNDS);

/** By hand the host tests are one project, one file at a time; `npm test` of everything wants them in rounds. */
const hostProjects =
  process.env.NETD_TEST_ROUNDS === undefined
    ? [hosts('hosts', 1, 1, [HOSTS])]
    : [
        ...rounds.map(([name, { lanes, files }], i) => hosts(`hosts: ${name}`, 1 + i, lanes, files)),
        hosts('hosts', 1 + rounds.length, 2, [HOSTS], [...ALONE, ...TOLD]),
        hosts('hosts: alone', 2 + rounds.length, 1, ALONE),
      ];

// Unit tests sit beside the file they test; they need no privileges and are all that `npm run check` runs. The other
// projects are for `npm test`: simulations and fuzzing beside the units, then real engines.
export default defineConfig({
  test: {
    sequence: { sequencer: AsTold },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{agent,netd,pki,proto,base,scripts}/**/*.test.ts', 'test/unit/**/*.test.ts'],
          // None needs a tenth of it; a machine that is busy with something else is no failure.
          testTimeout: 30_000,
          hookTimeout: 30_000,
          // A fresh process for each of a hundred small files costs more than all their tests.
          isolate: false,
          maxWorkers: SMALL_LANES,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/{sim,fuzz}/**/*.test.ts'],
          testTimeout: 300_000,
          maxWorkers: SMALL_LANES,
          sequence: { groupOrder: 0 },
        },
      },
      ...hostProjects,
    ],
  },
});
