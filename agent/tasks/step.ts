import { TaskState } from '#proto/gen/swarmkit/types_pb.js';
import type { ObservedContainer } from './observed.ts';

/** Everything the next move of a task depends on. */
export interface StepFacts {
  /** What the manager wants: READY, RUNNING, COMPLETE, SHUTDOWN or REMOVE. */
  readonly desired: TaskState;
  /** Where the task is by our own last word. */
  readonly state: TaskState;
  /** The container was stopped by us because it was unhealthy. */
  readonly unhealthy: boolean;
  /** Secrets and configs are at hand, or the task needs none: false after a restart until the manager sent them. */
  readonly inputsReady: boolean;
  readonly container: ObservedContainer;
  readonly containerName: string;
}

/**
 * One move. `report` and `fail` change only our word; the others do something first. A failure before STARTING is a
 * rejection, which `failureState` decides.
 */
export type Step =
  | { readonly kind: 'none' }
  | { readonly kind: 'report'; readonly state: TaskState; readonly message: string }
  | { readonly kind: 'fail'; readonly err: string }
  | { readonly kind: 'prepare' }
  | { readonly kind: 'start'; readonly id: string }
  | { readonly kind: 'stop'; readonly id: string; readonly because: 'requested' | 'unhealthy' };

const NONE: Step = { kind: 'none' };

/**
 * Decides what a task does next (spec swarmkit-worker §4.3, §4.11): at most one move, never backwards. A container's
 * state is observed, not remembered, so the same table serves a fresh task, a restart of the agent and one of the engine.
 */
export function nextStep(facts: StepFacts): Step {
  const { desired, state } = facts;
  if (desired >= TaskState.SHUTDOWN) return shutDown(facts);
  if (state > desired) return NONE;
  switch (state) {
    case TaskState.PREPARING:
      return facts.container.kind === 'absent' ? { kind: 'prepare' } : report(TaskState.READY, 'prepared');
    case TaskState.STARTING:
      return start(facts);
    case TaskState.RUNNING:
      return watch(facts);
    default:
      return state >= desired ? NONE : advance(state);
  }
}

/** The moves that need nothing done. */
function advance(state: TaskState): Step {
  if (state <= TaskState.ASSIGNED) return report(TaskState.ACCEPTED, 'accepted');
  if (state === TaskState.ACCEPTED) return report(TaskState.PREPARING, 'preparing');
  if (state === TaskState.READY) return report(TaskState.STARTING, 'starting');
  return NONE;
}

function start(facts: StepFacts): Step {
  const { container } = facts;
  switch (container.kind) {
    case 'absent':
      return gone(facts);
    case 'created':
      // Tried before a crash: a task is started once.
      if (container.failedStart) return { kind: 'fail', err: startFailed(container.failedStart.error) };
      return facts.inputsReady ? { kind: 'start', id: container.id } : NONE;
    case 'running':
      if (container.health === 'starting') return NONE;
      if (container.health === 'unhealthy') return { kind: 'stop', id: container.id, because: 'unhealthy' };
      return report(TaskState.RUNNING, 'started');
    case 'exited':
      // It ended before it was seen to run. Without a health check it did run; with one, only a clean exit counts as that.
      if (!container.checked || container.exitCode === 0) return report(TaskState.RUNNING, 'started');
      return failed(facts, container);
  }
}

function watch(facts: StepFacts): Step {
  const { container } = facts;
  switch (container.kind) {
    case 'absent':
      return gone(facts);
    case 'created':
      return { kind: 'fail', err: `container ${facts.containerName} was reset and is not running` };
    case 'running':
      return container.health === 'unhealthy' ? { kind: 'stop', id: container.id, because: 'unhealthy' } : NONE;
    case 'exited':
      return container.exitCode === 0 ? report(TaskState.COMPLETE, 'finished') : failed(facts, container);
  }
}

/** Whatever we said of the task: what is to be down must not run. */
function shutDown({ container, state }: StepFacts): Step {
  if (container.kind === 'running') return { kind: 'stop', id: container.id, because: 'requested' };
  return state >= TaskState.COMPLETE ? NONE : report(TaskState.SHUTDOWN, 'shutdown');
}

/** Docker's words for a container that could not be started. */
export function startFailed(cause: string): string {
  return `starting container failed: ${cause}`;
}

function gone(facts: StepFacts): Step {
  return { kind: 'fail', err: `No such container: ${facts.containerName}` };
}

/** Docker's words for a failed container, which users and tools match (spec swarmkit-worker §4.11, §4.12). */
function failed(facts: StepFacts, container: { readonly exitCode: number; readonly error: string }): Step {
  const cause = facts.unhealthy ? 'dockerexec: unhealthy container' : container.error;
  return { kind: 'fail', err: `task: non-zero exit (${container.exitCode})${cause ? `: ${cause}` : ''}` };
}

function report(state: TaskState, message: string): Step {
  return { kind: 'report', state, message };
}

/** Where a task goes when a move fails for good: nothing has run before STARTING, so that is a rejection. */
export function failureState(state: TaskState): TaskState {
  return state < TaskState.STARTING ? TaskState.REJECTED : TaskState.FAILED;
}
