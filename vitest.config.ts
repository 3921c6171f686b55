import { defineConfig } from 'vitest/config';

// Unit tests sit beside the file they test. Suites that need root, namespaces or real engines live under test/ and are
// run by scripts/test.ts with their own projects, so that `npm run check` stays quick and needs no privileges.
export default defineConfig({
  test: {
    projects: [
      {
        test: { name: 'unit', include: ['{agent,netd,pki,proto,base,scripts}/**/*.test.ts', 'test/unit/**/*.test.ts'] },
      },
      {
        test: {
          name: 'hosts',
          include: ['test/{hosts,conformance,surviving,pki}/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
