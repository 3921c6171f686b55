import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { HealthConfigSchema } from '#proto/gen/swarmkit/types_pb.js';
import { healthcheckBody } from './health.ts';

it('without a health check leaves the image its own', () => {
  expect(healthcheckBody(undefined)).toBeUndefined();
});

it.each<[string, MessageInitShape<typeof HealthConfigSchema>, object]>([
  ['an empty one inherits everything', {}, {}],
  ['NONE switches it off', { test: ['NONE'] }, { Test: ['NONE'] }],
  [
    'every member, in nanoseconds',
    {
      test: ['CMD-SHELL', 'true'],
      interval: { seconds: 30n },
      timeout: { seconds: 1n, nanos: 500_000_000 },
      retries: 3,
      startPeriod: { nanos: 1 },
      startInterval: { seconds: 86_400n, nanos: 1 },
    },
    {
      Test: ['CMD-SHELL', 'true'],
      Interval: 30e9,
      Timeout: 1.5e9,
      Retries: 3,
      StartPeriod: 1,
      StartInterval: 86_400_000_000_001,
    },
  ],
  ['zero inherits', { interval: {}, timeout: { seconds: 0n }, retries: 0 }, {}],
  ['what is wrong goes to the engine, which says so', { interval: { seconds: -1n } }, { Interval: -1e9 }],
])('%s', (_, init, expected) => {
  expect(healthcheckBody(create(HealthConfigSchema, init))).toEqual(expected);
});
