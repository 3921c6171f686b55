import { EngineError, EngineUnreachable } from '#agent/engine/engine-error.ts';
import type { ObservedContainer } from '#agent/tasks/observed.ts';
import { isNetdError, NetdError } from '#base/errors.ts';
import { TaskState } from '#proto/gen/swarmkit/types_pb.js';

/** What to do next about a task whose log is followed. */
export type FollowStep =
  | { readonly kind: 'read'; readonly id: string }
  /** Nothing to read before the task changes. */
  | { readonly kind: 'wait' }
  /** The container may start, or the engine come back, without the task changing: look again in a moment. */
  | { readonly kind: 'look-again' }
  | { readonly kind: 'done' };

export interface FollowFacts {
  /** Our last word on the task. */
  readonly state: TaskState;
  /** Undefined while the engine does not answer. */
  readonly container: ObservedContainer | undefined;
  /** How the last reading went since we last waited; `whole` if it began after the container had ended. */
  readonly lastRead: 'none' | 'ended' | 'failed' | 'whole';
}

/**
 * The log of a container that runs does not end; when the engine ends it, the container has ended or the engine is about
 * to. So an ended container's log is read once more for what is left of it, and a running one's after a pause.
 */
export function followStep({ state, container, lastRead }: FollowFacts): FollowStep {
  if (container === undefined) return { kind: 'look-again' };
  switch (container.kind) {
    case 'running':
      return lastRead === 'none' ? { kind: 'read', id: container.id } : { kind: 'look-again' };
    case 'exited':
      if (lastRead === 'whole') return { kind: 'done' };
      return lastRead === 'failed' ? { kind: 'look-again' } : { kind: 'read', id: container.id };
    case 'created':
    case 'absent':
      if (state >= TaskState.COMPLETE) return { kind: 'done' };
      return { kind: state >= TaskState.STARTING ? 'look-again' : 'wait' };
  }
}

/** Whether reading a log may succeed later: not if the engine refused (a log driver that cannot be read, say). */
export function mayReadLater(error: unknown): boolean {
  if (error instanceof EngineUnreachable || isNetdError(error, 'engine-stuck')) return true;
  if (error instanceof EngineError) return error.status === 404; // removed, or not there yet: the next look will tell
  return !(error instanceof NetdError); // a connection that broke
}
