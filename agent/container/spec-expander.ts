import { specContext, TEMPLATE_NAME } from '#agent/template/context.ts';
import { expand } from '#agent/template/template.ts';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import type { Expand } from './env.ts';
import { type NodeFacts, templateFacts } from './template-facts.ts';

/** Fills in templates in the spec of a task; throws TemplateError. */
export function specExpander(task: Task, node: NodeFacts): Expand {
  const context = specContext(templateFacts(task, node));
  return (text) => expand(TEMPLATE_NAME, text, context);
}
