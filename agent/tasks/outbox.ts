import { createNotifier } from '#base/notifier.ts';
import type { TaskStatus } from '#proto/gen/swarmkit/types_pb.js';

/**
 * Task statuses on their way to the manager: the newest of each task only, never going back, kept until the manager has
 * taken it (spec swarmkit-worker §3.11). Bounded by the number of tasks on this node.
 */
export interface Outbox {
  readonly put: (taskId: string, status: TaskStatus) => void;
  /** The task is no longer ours to speak of. */
  readonly drop: (taskId: string) => void;
  /** Up to `limit` statuses not yet taken, oldest mark first. They stay in the outbox until `taken`. */
  readonly pending: (limit: number) => readonly StatusUpdate[];
  /** The manager has these; a status that has changed since stays pending. */
  readonly taken: (updates: readonly StatusUpdate[]) => void;
  readonly size: () => number;
  /** Resolves as soon as something is pending. */
  readonly filled: (signal: AbortSignal) => Promise<void>;
}

export interface StatusUpdate {
  readonly taskId: string;
  readonly status: TaskStatus;
}

export function createOutbox(): Outbox {
  const waiting = new Map<string, TaskStatus>();
  const arrived = createNotifier();

  return {
    put: (taskId, status) => {
      const known = waiting.get(taskId);
      if (known && known.state > status.state) return;
      waiting.delete(taskId); // to the end of the line
      waiting.set(taskId, status);
      arrived.notify();
    },
    drop: (taskId) => {
      waiting.delete(taskId);
    },
    pending: (limit) => {
      const updates: StatusUpdate[] = [];
      for (const [taskId, status] of waiting) {
        if (updates.length >= limit) break;
        updates.push({ taskId, status });
      }
      return updates;
    },
    taken: (updates) => {
      for (const { taskId, status } of updates) {
        if (waiting.get(taskId) === status) waiting.delete(taskId);
      }
    },
    size: () => waiting.size,
    filled: (signal) => (waiting.size > 0 ? Promise.resolve() : arrived.wait(signal)),
  };
}
