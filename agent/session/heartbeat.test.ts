import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { HeartbeatResponseSchema } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { heartbeatPeriodMs } from './heartbeat.ts';

describe('heartbeatPeriodMs', () => {
  it.each<[string, { seconds?: bigint; nanos?: number } | undefined, number]>([
    ['what the manager asks', { seconds: 4n, nanos: 730_000_000 }, 4730],
    ['the default for nothing', undefined, 5000],
    ['the default for zero', {}, 5000],
    ['the default for less than nothing', { seconds: -3n }, 5000],
    ['no flood', { nanos: 5_000_000 }, 100],
    ['no silence', { seconds: 2n ** 62n }, 3_600_000],
    ['an hour at most', { seconds: 3601n }, 3_600_000],
  ])('is %s', (_, period, ms) => {
    expect(heartbeatPeriodMs(create(HeartbeatResponseSchema, period ? { period } : {}))).toBe(ms);
  });
});
