import { status as Code } from '@grpc/grpc-js';
import type { UpdateTaskStatusRequest } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { TaskState, type TaskStatus } from '#proto/gen/swarmkit/types_pb.js';
import { refusal } from './refusal.ts';
import type { FakeSwarm } from './swarm.ts';

/** Takes what a worker says of its tasks, as the leader does (spec swarmkit-worker §3.11). */
export function takeTaskStatuses(swarm: FakeSwarm, nodeId: string, request: UpdateTaskStatusRequest): void {
  for (const { taskId } of request.updates) {
    const task = swarm.tasks.get(taskId);
    if (task && task.nodeId !== nodeId) {
      throw refusal(Code.PERMISSION_DENIED, 'cannot update a task not assigned this node');
    }
  }
  for (const { taskId, status } of request.updates) if (status) take(swarm, taskId, status);
}

function take(swarm: FakeSwarm, taskId: string, status: TaskStatus): void {
  const task = swarm.tasks.get(taskId);
  if (!task || status.state < (task.status?.state ?? TaskState.NEW)) return;
  swarm.told.set(taskId, [...(swarm.told.get(taskId) ?? []), status.state]);
  swarm.setTaskStatus(taskId, status);
}
