import type { TemplateFacts } from '#agent/template/context.ts';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import { containerName } from './name.ts';

/** The node a task runs on, as its templates may speak of it. */
export type NodeFacts = TemplateFacts['node'];

/** What the templates of a task read: of itself, its service and its node (spec swarmkit-worker §4.14). */
export function templateFacts(task: Task, node: NodeFacts): TemplateFacts {
  return {
    service: {
      id: task.serviceId,
      name: task.serviceAnnotations?.name ?? '',
      labels: task.serviceAnnotations?.labels ?? {},
    },
    node,
    task: { id: task.id, name: containerName(task), slot: task.slot },
  };
}
