import { describe, expect, it } from 'vitest';
import type { ContainerInspect } from '#agent/engine/engine.ts';
import { type ObservedContainer, observedContainer } from './observed.ts';

const inspect = (state: object): ContainerInspect =>
  ({ Id: 'c', State: { Running: false, Pid: 0, ExitCode: 0, Error: '', ...state } }) as ContainerInspect;

describe('observedContainer', () => {
  it.each<[string, ContainerInspect | undefined, ObservedContainer]>([
    ['nothing', undefined, { kind: 'absent' }],
    ['created', inspect({ Status: 'created' }), { kind: 'created', id: 'c' }],
    [
      'one that could not be started',
      inspect({ Status: 'created', ExitCode: 127, Error: 'no such command' }),
      { kind: 'created', id: 'c', failedStart: { exitCode: 127, error: 'no such command' } },
    ],
    [
      'running',
      inspect({ Status: 'running', Running: true, Pid: 7 }),
      { kind: 'running', id: 'c', pid: 7, health: 'none' },
    ],
    [
      'paused, which is alive',
      inspect({ Status: 'paused', Running: true, Pid: 7 }),
      { kind: 'running', id: 'c', pid: 7, health: 'none' },
    ],
    [
      'restarting, which is alive',
      inspect({ Status: 'restarting' }),
      { kind: 'running', id: 'c', pid: 0, health: 'none' },
    ],
    [
      'healthy',
      inspect({ Status: 'running', Running: true, Pid: 7, Health: { Status: 'healthy' } }),
      { kind: 'running', id: 'c', pid: 7, health: 'healthy' },
    ],
    [
      'of a health this version does not know',
      inspect({ Status: 'running', Running: true, Pid: 7, Health: { Status: 'none' } }),
      { kind: 'running', id: 'c', pid: 7, health: 'none' },
    ],
    [
      'exited',
      inspect({ Status: 'exited', ExitCode: 3, Error: 'oom' }),
      { kind: 'exited', id: 'c', exitCode: 3, error: 'oom', checked: false },
    ],
    [
      'exited, with a health check',
      inspect({ Status: 'exited', ExitCode: 3, Health: { Status: 'unhealthy' } }),
      { kind: 'exited', id: 'c', exitCode: 3, error: '', checked: true },
    ],
    [
      'dead',
      inspect({ Status: 'dead', ExitCode: 1 }),
      { kind: 'exited', id: 'c', exitCode: 1, error: '', checked: false },
    ],
  ])('sees %s', (_, container, observed) => {
    expect(observedContainer(container)).toEqual(observed);
  });
});
