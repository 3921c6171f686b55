import type { ContainerInspect } from '#agent/engine/engine.ts';

/** What the engine says of a task's container: the facts the next step depends on. */
export type ObservedContainer =
  | { readonly kind: 'absent' }
  | { readonly kind: 'created'; readonly id: string }
  | { readonly kind: 'running'; readonly id: string; readonly pid: number; readonly health: Health }
  | { readonly kind: 'exited'; readonly id: string; readonly exitCode: number; readonly error: string };

/** `none`: no health check, or it is switched off. */
export type Health = 'none' | 'starting' | 'healthy' | 'unhealthy';

export function observedContainer(inspect: ContainerInspect | undefined): ObservedContainer {
  if (inspect === undefined) return { kind: 'absent' };
  const { State: state, Id: id } = inspect;
  // A paused or restarting container is as alive as a running one: neither netd nor the manager asked for it.
  if (state.Running || state.Status === 'restarting') {
    return { kind: 'running', id, pid: state.Pid, health: healthOf(state.Health?.Status) };
  }
  if (state.Status === 'created') return { kind: 'created', id };
  return { kind: 'exited', id, exitCode: state.ExitCode, error: state.Error };
}

function healthOf(status: string | undefined): Health {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}
