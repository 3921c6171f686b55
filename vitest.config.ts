import { defineConfig } from 'vitest/config';

// Unit tests sit beside the file they test; they need no privileges and are all that `npm run check` runs. The other
// projects are for `npm test`, one after the other, so that long simulations and real engines do not slow each other down.
export default defineConfig({
  test: {
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
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/{sim,fuzz}/**/*.test.ts'],
          testTimeout: 300_000,
          maxWorkers: '100%',
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'hosts',
          include: [
            'test/{dns,hosts,kernel,interop,conformance,overlay,overlay-checks,overlay-swarm,path,surviving,pki}/**/*.test.ts',
          ],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          // One file at a time: those that mostly wait run their tests, and all versions of the managers, at once themselves.
          maxWorkers: 1,
          // Concurrent tests are those that mostly wait: for what a manager does after a minute, say.
          maxConcurrency: 24,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
