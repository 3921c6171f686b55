import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineError, EngineUnreachable } from '#agent/engine/engine-error.ts';
import type { ObservedContainer } from '#agent/tasks/observed.ts';
import { NetdError } from '#base/errors.ts';
import { LogSelectorSchema, LogStream } from '#proto/gen/swarmkit/logbroker_pb.js';
import { TaskState as S, TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { type FollowFacts, followStep, mayReadLater } from './follow-step.ts';
import { logBatches } from './log-batches.ts';
import { selects } from './log-selector.ts';
import { fullBucket, THROTTLE_BURST_BYTES, THROTTLE_BYTES_PER_SEC, takeBytes } from './log-throttle.ts';

describe('selects', () => {
  const task = create(TaskSchema, { id: 'task1', serviceId: 'service1' });
  it.each([
    ['nothing', {}, false],
    ['the task', { taskIds: ['other', 'task1'] }, true],
    ['the service', { serviceIds: ['service1'] }, true],
    ['the node', { nodeIds: ['node1'] }, true],
    ['others', { taskIds: ['service1'], serviceIds: ['node1'], nodeIds: ['task1'] }, false],
    ['one list of three', { taskIds: ['x'], serviceIds: ['service1'], nodeIds: ['y'] }, true],
  ])('%s', (_, selector, expected) => {
    expect(selects(create(LogSelectorSchema, selector), task, 'node1')).toBe(expected);
  });

  it('nothing without a selector, nor a task without service by an empty id', () => {
    expect(selects(undefined, task, 'node1')).toBe(false);
    const lone = create(TaskSchema, { id: 'task2' });
    expect(selects(create(LogSelectorSchema, { serviceIds: [''] }), lone, 'node1')).toBe(false);
  });
});

describe('followStep', () => {
  const absent: ObservedContainer = { kind: 'absent' };
  const created: ObservedContainer = { kind: 'created', id: 'c' };
  const running: ObservedContainer = { kind: 'running', id: 'c', pid: 1, health: 'starting' };
  const exited: ObservedContainer = { kind: 'exited', id: 'c', exitCode: 0, error: '', checked: false };
  it.each<[string, S, ObservedContainer | undefined, FollowFacts['lastRead'], string]>([
    ['assigned', S.ASSIGNED, absent, 'none', 'wait'],
    ['prepared', S.READY, created, 'none', 'wait'],
    ['about to start', S.STARTING, created, 'none', 'look-again'],
    ['runs, not healthy yet', S.STARTING, running, 'none', 'read'],
    ['runs', S.RUNNING, running, 'none', 'read'],
    ['the engine has ended the log of one that runs', S.RUNNING, running, 'ended', 'look-again'],
    ['the connection broke', S.RUNNING, running, 'failed', 'look-again'],
    ['has ended while we read', S.RUNNING, exited, 'ended', 'read'],
    ['had ended before we came', S.FAILED, exited, 'none', 'read'],
    ['has ended, the connection broke', S.FAILED, exited, 'failed', 'look-again'],
    ['read to the end', S.COMPLETE, exited, 'whole', 'done'],
    ['removed', S.SHUTDOWN, absent, 'ended', 'done'],
    ['removed behind our back, not noticed yet', S.RUNNING, absent, 'ended', 'look-again'],
    ['rejected', S.REJECTED, absent, 'none', 'done'],
    ['shut down before its start', S.SHUTDOWN, created, 'none', 'done'],
    ['engine away', S.RUNNING, undefined, 'none', 'look-again'],
    ['engine away before its start', S.READY, undefined, 'none', 'look-again'],
  ])('%s', (_, state, container, lastRead, kind) => {
    expect(followStep({ state, container, lastRead }).kind).toBe(kind);
  });
});

it.each([
  [new EngineUnreachable('unix:///x', new Error('ECONNREFUSED')), true],
  [new EngineError('container logs', 404, 'No such container'), true],
  [new EngineError('container logs', 501, 'configured logging driver does not support reading'), false],
  [new EngineError('container logs', 409, 'can not get logs from container which is dead'), false],
  [new NetdError('engine-log-broken', 'no frame header'), false],
  [new NetdError('engine-stuck', 'the engine has said nothing for 60 s'), true],
  [new Error('aborted'), true],
])('mayReadLater: %s', (error, later) => {
  expect(mayReadLater(error)).toBe(later);
});

describe('takeBytes', () => {
  it('lets a burst through, then as many a second as the rate', () => {
    let bucket = fullBucket(0);
    const take = (bytes: number, nowMs: number) => {
      const taken = takeBytes(bucket, bytes, nowMs);
      bucket = taken.bucket;
      return taken.waitMs;
    };
    expect(take(THROTTLE_BURST_BYTES, 0)).toBe(0);
    expect(take(THROTTLE_BYTES_PER_SEC / 2, 0)).toBe(500);
    expect(take(THROTTLE_BYTES_PER_SEC / 2, 500)).toBe(500);
    expect(take(0, 60_000)).toBe(0);
    expect(take(THROTTLE_BURST_BYTES, 60_000)).toBe(0);
    expect(take(THROTTLE_BYTES_PER_SEC, 60_000)).toBe(1000);
  });

  it('never lets more through than burst and rate allow', () => {
    const sizes = fc.array(fc.tuple(fc.nat(3 * 1024 * 1024), fc.nat(300)), { maxLength: 60 });
    fc.assert(
      fc.property(sizes, (takes) => {
        let bucket = fullBucket(0);
        let nowMs = 0;
        let sent = 0;
        for (const [bytes, laterMs] of takes) {
          nowMs += laterMs;
          const taken = takeBytes(bucket, bytes, nowMs);
          bucket = taken.bucket;
          nowMs += taken.waitMs;
          sent += bytes;
          expect(sent).toBeLessThanOrEqual(THROTTLE_BURST_BYTES + (nowMs / 1000) * THROTTLE_BYTES_PER_SEC + 1);
        }
      }),
    );
  });
});

describe('logBatches', () => {
  it('keeps every entry in order, none too big but a single one', () => {
    const sizes = fc.array(fc.oneof(fc.nat(300), fc.nat(100_000)), { maxLength: 60 });
    fc.assert(
      fc.property(sizes, (lengths) => {
        const entries = lengths.map((length) => ({
          stream: LogStream.STDOUT,
          time: { seconds: 0n, nanos: 0 },
          details: [{ key: 'a', value: 'b' }],
          data: Buffer.alloc(length),
        }));
        const batches = logBatches(entries);
        expect(batches.flat()).toEqual(entries);
        for (const batch of batches) {
          const bytes = batch.reduce((sum, { data }) => sum + data.length, 0);
          expect(batch.length === 1 || bytes <= 64 * 1024).toBe(true);
          expect(batch.length).toBeGreaterThan(0);
        }
      }),
    );
  });
});
