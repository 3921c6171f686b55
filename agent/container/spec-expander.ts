import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import type { NodeFacts } from './container-plan.ts';
import type { Expand } from './env.ts';
import { SpecError } from './spec-error.ts';

/** Fills in templates in the spec of a task, with what is known of the task, its service and this node. */
export function specExpander(_task: Task, _node: NodeFacts): Expand {
  return (text) => {
    if (text.includes('{{')) throw new SpecError('templates are not supported yet');
    return text;
  };
}
