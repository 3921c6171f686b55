import type { LogSelector } from '#proto/gen/swarmkit/logbroker_pb.js';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';

/** Whether a subscription wants the log of a task of this node: one list that names it is enough (spec swarmkit-worker §6). */
export function selects(selector: LogSelector | undefined, task: Task, nodeId: string): boolean {
  if (selector === undefined) return false;
  return (
    selector.taskIds.includes(task.id) ||
    (task.serviceId !== '' && selector.serviceIds.includes(task.serviceId)) ||
    selector.nodeIds.includes(nodeId)
  );
}
