import { TASK_ID_LABEL } from '#agent/container/labels.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { TaskState } from '#proto/gen/swarmkit/types_pb.js';

/** A line of the engine's container list. */
export interface ListedContainer {
  readonly Id: string;
  readonly Labels: Readonly<Record<string, string>>;
  /** `created`, `running`, `exited`, … */
  readonly State: string;
}

export interface Resync {
  /** Tasks whose container is not what their state says: an event was missed, or somebody else was at work. */
  readonly tasks: readonly string[];
  /** Containers of this node that belong to no task of it. */
  readonly strays: readonly string[];
}

/**
 * Compares all tasks with one list of containers: the pass every task gets on a slow timer, at the price of one request.
 *
 * @param containers those that carry this node's id in their labels
 */
export function compareWithEngine(records: readonly TaskRecord[], containers: readonly ListedContainer[]): Resync {
  const states = new Map(containers.map((container) => [container.Labels[TASK_ID_LABEL] ?? '', container.State]));
  const known = new Set(records.map((record) => record.task?.id ?? ''));
  return {
    tasks: records.filter((record) => differs(record, states.get(record.task?.id ?? ''))).map((r) => r.task?.id ?? ''),
    strays: containers.filter((c) => !known.has(c.Labels[TASK_ID_LABEL] ?? '')).map((container) => container.Id),
  };
}

function differs(record: TaskRecord, container: string | undefined): boolean {
  const state = record.status?.state ?? TaskState.NEW;
  const wanted = record.task?.desiredState ?? TaskState.NEW;
  if (state >= TaskState.COMPLETE) return wanted >= TaskState.SHUTDOWN && container === 'running';
  if (wanted >= TaskState.SHUTDOWN || state === TaskState.STARTING) return true;
  if (state === TaskState.RUNNING) return container !== 'running' && container !== 'paused';
  return state < wanted;
}
