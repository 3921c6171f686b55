import type { ContainerSpec, Task } from '#proto/gen/swarmkit/types_pb.js';
import { containerName } from './name.ts';

/** By these, Docker's tools and netd itself know which task a container belongs to (spec swarmkit-worker §4.10). */
export const TASK_ID_LABEL = 'com.docker.swarm.task.id';

/**
 * The container's labels: the user's, over them the manager's for this task, over them the six of the system. Service
 * labels are not among them.
 */
export function containerLabels(task: Task, spec: ContainerSpec): Readonly<Record<string, string>> {
  return {
    ...spec.labels,
    ...task.annotations?.labels,
    'com.docker.swarm.task': '',
    [TASK_ID_LABEL]: task.id,
    'com.docker.swarm.task.name': containerName(task),
    'com.docker.swarm.node.id': task.nodeId,
    'com.docker.swarm.service.id': task.serviceId,
    'com.docker.swarm.service.name': task.serviceAnnotations?.name ?? '',
  };
}
