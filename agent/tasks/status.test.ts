import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { PortConfigSchema, TaskState as S, type TaskStatus, TaskStatusSchema } from '#proto/gen/swarmkit/types_pb.js';
import type { ObservedContainer } from './observed.ts';
import { firstStatus, moved } from './status.ts';

const NOW = Date.UTC(2026, 0, 2);
const ports = [create(PortConfigSchema, { targetPort: 80, publishedPort: 8080 })];
const facts = (container: ObservedContainer) => ({ container, ports });
const running: ObservedContainer = { kind: 'running', id: 'c', pid: 7, health: 'none' };
const last = (state: S, more: object = {}): TaskStatus =>
  create(TaskStatusSchema, { state, message: 'before', ...more });

describe('moved', () => {
  it('says when, where to and why', () => {
    const status = moved(last(S.ACCEPTED), S.PREPARING, { message: 'preparing' }, undefined, NOW);
    expect(status).toMatchObject({ state: S.PREPARING, message: 'preparing', err: '' });
    expect(status.timestamp && timestampMs(status.timestamp)).toBe(NOW);
    expect([status.runtimeStatus.case, status.portStatus, status.appliedBy]).toEqual([undefined, undefined, '']);
  });

  it('keeps the message of before with an error, and forgets an error with the next success', () => {
    const failed = moved(last(S.STARTING), S.FAILED, { err: 'no' }, undefined, NOW);
    expect(failed).toMatchObject({ message: 'before', err: 'no' });
    expect(moved(failed, S.FAILED, { message: 'again' }, undefined, NOW)).toMatchObject({ message: 'again', err: '' });
  });

  it('tells container and ports from STARTING upward only', () => {
    expect(moved(last(S.PREPARING), S.READY, {}, facts(running), NOW).runtimeStatus.case).toBeUndefined();
    const status = moved(last(S.STARTING), S.RUNNING, {}, facts(running), NOW);
    expect(status.runtimeStatus.value).toMatchObject({ containerId: 'c', pid: 7, exitCode: 0 });
    expect(status.portStatus?.ports).toEqual(ports);
  });

  it.each<[string, ObservedContainer, object]>([
    ['exited', { kind: 'exited', id: 'c', exitCode: 3, error: '', checked: false }, { pid: 0, exitCode: 3 }],
    [
      'could not be started',
      { kind: 'created', id: 'c', failedStart: { exitCode: 127, error: '' } },
      { exitCode: 127 },
    ],
    ['is new', { kind: 'created', id: 'c' }, { pid: 0, exitCode: 0 }],
  ])('tells the exit code of a container that %s', (_, container, told) => {
    const status = moved(last(S.STARTING), S.FAILED, { err: 'x' }, facts(container), NOW);
    expect(status.runtimeStatus.value).toMatchObject({ containerId: 'c', ...told });
  });

  it('keeps the last word on a container that is gone', () => {
    const started = moved(last(S.STARTING), S.RUNNING, {}, facts(running), NOW);
    const gone = moved(
      started,
      S.FAILED,
      { err: 'No such container' },
      { container: { kind: 'absent' }, ports: [] },
      NOW,
    );
    expect(gone.runtimeStatus.value).toMatchObject({ containerId: 'c', pid: 7 });
    expect(gone.portStatus?.ports).toEqual(ports);
  });
});

describe('firstStatus', () => {
  it("is the manager's copy, or NEW", () => {
    const copy = last(S.ASSIGNED);
    expect(firstStatus(copy)).toBe(copy);
    expect(firstStatus(undefined).state).toBe(S.NEW);
  });
});
