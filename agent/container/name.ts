import type { Task } from '#proto/gen/swarmkit/types_pb.js';

/**
 * The name of a task's container, the same as Docker's so that tools find it: `<service>.<slot>.<task id>`, with the
 * node's id in place of the slot for tasks that have none (global services), unless the manager chose a name itself
 * (spec swarmkit-worker §4.9).
 */
export function containerName(task: Task): string {
  if (task.annotations?.name) return task.annotations.name;
  const slot = task.slot === 0n ? task.nodeId : task.slot.toString();
  return `${task.serviceAnnotations?.name ?? ''}.${slot}.${task.id}`;
}
