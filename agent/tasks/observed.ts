import type { ContainerInspect } from '#agent/engine/engine.ts';

/** What the engine says of a task's container: the facts the next step depends on. */
export type ObservedContainer =
  | { readonly kind: 'absent' }
  /** Never ran. `failedStart`: a start was tried, and the engine has said why it did not come about. */
  | { readonly kind: 'created'; readonly id: string; readonly failedStart?: FailedStart }
  | { readonly kind: 'running'; readonly id: string; readonly pid: number; readonly health: Health }
  | {
      readonly kind: 'exited';
      readonly id: string;
      readonly exitCode: number;
      readonly error: string;
      /** It has a health check, so that it counted as running only once healthy. */
      readonly checked: boolean;
    };

export interface FailedStart {
  /** The engine's, such as 127 when the command was not found. */
  readonly exitCode: number;
  readonly error: string;
}

/** `none`: no health check, or it is switched off. */
export type Health = 'none' | 'starting' | 'healthy' | 'unhealthy';

export function observedContainer(inspect: ContainerInspect | undefined): ObservedContainer {
  if (inspect === undefined) return { kind: 'absent' };
  const { State: state, Id: id } = inspect;
  // A paused or restarting container is as alive as a running one: neither netd nor the manager asked for it.
  if (state.Running || state.Status === 'restarting') {
    return { kind: 'running', id, pid: state.Pid, health: healthOf(state.Health?.Status) };
  }
  if (state.Status === 'created') {
    // The engine leaves a container that could not be started as created, with the exit code and the reason.
    const tried = state.ExitCode !== 0 || state.Error !== '';
    return { kind: 'created', id, ...(tried ? { failedStart: { exitCode: state.ExitCode, error: state.Error } } : {}) };
  }
  const checked = healthOf(state.Health?.Status) !== 'none';
  return { kind: 'exited', id, exitCode: state.ExitCode, error: state.Error, checked };
}

function healthOf(status: string | undefined): Health {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}
