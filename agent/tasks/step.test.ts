import { describe, expect, it } from 'vitest';
import { TaskState as S } from '#proto/gen/swarmkit/types_pb.js';
import type { ObservedContainer } from './observed.ts';
import { failureState, nextStep, type Step, type StepFacts } from './step.ts';

const absent: ObservedContainer = { kind: 'absent' };
const created: ObservedContainer = { kind: 'created', id: 'c' };
const running = (health: 'none' | 'starting' | 'healthy' | 'unhealthy' = 'none'): ObservedContainer => ({
  kind: 'running',
  id: 'c',
  pid: 7,
  health,
});
const exited = (exitCode: number, error = '', checked = false): ObservedContainer => ({
  kind: 'exited',
  id: 'c',
  exitCode,
  error,
  checked,
});
const says = (state: S, message: string): Step => ({ kind: 'report', state, message });
const fails = (err: string): Step => ({ kind: 'fail', err });
const none: Step = { kind: 'none' };
const stop = (because: 'requested' | 'unhealthy'): Step => ({ kind: 'stop', id: 'c', because });

const step = (desired: S, state: S, container: ObservedContainer, more: Partial<StepFacts> = {}): Step =>
  nextStep({ desired, state, container, unhealthy: false, inputsReady: true, containerName: 'web.1.t', ...more });

describe('nextStep', () => {
  it.each<[string, S, S, ObservedContainer, Step]>([
    ['assigned', S.RUNNING, S.ASSIGNED, absent, says(S.ACCEPTED, 'accepted')],
    ['new to a manager that skips states', S.RUNNING, S.NEW, absent, says(S.ACCEPTED, 'accepted')],
    ['accepted', S.RUNNING, S.ACCEPTED, absent, says(S.PREPARING, 'preparing')],
    ['preparing', S.RUNNING, S.PREPARING, absent, { kind: 'prepare' }],
    ['prepared before a crash', S.RUNNING, S.PREPARING, created, says(S.READY, 'prepared')],
    ['ready, wanted ready', S.READY, S.READY, created, none],
    ['ready, wanted running', S.RUNNING, S.READY, created, says(S.STARTING, 'starting')],
    ['starting', S.RUNNING, S.STARTING, created, { kind: 'start', id: 'c' }],
    ['started before a crash', S.RUNNING, S.STARTING, running(), says(S.RUNNING, 'started')],
    ['health not known yet', S.RUNNING, S.STARTING, running('starting'), none],
    ['healthy', S.RUNNING, S.STARTING, running('healthy'), says(S.RUNNING, 'started')],
    ['unhealthy while starting', S.RUNNING, S.STARTING, running('unhealthy'), stop('unhealthy')],
    ['failed at once', S.RUNNING, S.STARTING, exited(3), says(S.RUNNING, 'started')],
    ['failed before healthy', S.RUNNING, S.STARTING, exited(3, '', true), fails('task: non-zero exit (3)')],
    ['finished while starting', S.RUNNING, S.STARTING, exited(0), says(S.RUNNING, 'started')],
    ['lost while starting', S.RUNNING, S.STARTING, absent, fails('No such container: web.1.t')],
    ['running', S.RUNNING, S.RUNNING, running(), none],
    ['running and healthy', S.RUNNING, S.RUNNING, running('healthy'), none],
    ['unhealthy', S.RUNNING, S.RUNNING, running('unhealthy'), stop('unhealthy')],
    ['finished', S.RUNNING, S.RUNNING, exited(0), says(S.COMPLETE, 'finished')],
    ['a job runs', S.COMPLETE, S.RUNNING, running(), none],
    ['a job is done', S.COMPLETE, S.RUNNING, exited(0), says(S.COMPLETE, 'finished')],
    ['killed', S.RUNNING, S.RUNNING, exited(137, 'oom'), fails('task: non-zero exit (137): oom')],
    ['lost', S.RUNNING, S.RUNNING, absent, fails('No such container: web.1.t')],
    ['terminal stays', S.RUNNING, S.FAILED, absent, none],
    ['rejected stays', S.RUNNING, S.REJECTED, absent, none],
    ['shut down before anything', S.SHUTDOWN, S.ASSIGNED, absent, says(S.SHUTDOWN, 'shutdown')],
    ['shut down prepared', S.SHUTDOWN, S.READY, created, says(S.SHUTDOWN, 'shutdown')],
    ['shut down running', S.SHUTDOWN, S.RUNNING, running(), stop('requested')],
    ['remove running', S.REMOVE, S.RUNNING, running('unhealthy'), stop('requested')],
    ['stopped on request', S.SHUTDOWN, S.RUNNING, exited(143), says(S.SHUTDOWN, 'shutdown')],
    ['shut down finished', S.SHUTDOWN, S.COMPLETE, exited(0), none],
    ['shut down failed', S.REMOVE, S.FAILED, exited(1), none],
  ])('%s', (_, desired, state, container, expected) => {
    expect(step(desired, state, container)).toEqual(expected);
  });

  it('says why an unhealthy container was stopped', () => {
    expect(step(S.RUNNING, S.RUNNING, exited(137), { unhealthy: true })).toEqual(
      fails('task: non-zero exit (137): dockerexec: unhealthy container'),
    );
  });

  it('rejects what has not started and fails what has', () => {
    expect([S.ACCEPTED, S.PREPARING, S.READY].map(failureState)).toEqual([S.REJECTED, S.REJECTED, S.REJECTED]);
    expect([S.STARTING, S.RUNNING].map(failureState)).toEqual([S.FAILED, S.FAILED]);
  });

  it('waits for secrets after a restart before it starts, and stops without them', () => {
    const waiting = { inputsReady: false };
    expect(step(S.RUNNING, S.PREPARING, absent, waiting)).toEqual({ kind: 'prepare' });
    expect(step(S.RUNNING, S.STARTING, created, waiting)).toEqual(none);
    expect(step(S.RUNNING, S.RUNNING, running(), waiting)).toEqual(none);
    expect(step(S.SHUTDOWN, S.RUNNING, running(), waiting)).toEqual(stop('requested'));
  });

  it('never goes backwards and always comes to rest, whatever the container does', () => {
    const states = [0, 64, 192, 256, 320, 384, 448, 512, 576, 640, 704, 768, 800, 832] as const;
    const containers = [absent, created, running(), running('starting'), running('unhealthy'), exited(0), exited(9)];
    for (const desired of [S.READY, S.RUNNING, S.COMPLETE, S.SHUTDOWN, S.REMOVE]) {
      for (const container of containers) {
        for (const first of states) {
          let state: S = first;
          for (let moves = 0; ; moves++) {
            expect(moves).toBeLessThan(8);
            const next = step(desired, state, container);
            if (next.kind !== 'report') break;
            expect(next.state).toBeGreaterThan(state);
            state = next.state;
          }
        }
      }
    }
  });
});
