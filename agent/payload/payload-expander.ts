import { templateFacts } from '#agent/container/template-facts.ts';
import { payloadContext, TEMPLATE_NAME } from '#agent/template/context.ts';
import { expandBytes } from '#agent/template/template.ts';
import type { ContainerSpec, Task } from '#proto/gen/swarmkit/types_pb.js';
import { configSpec, type ExpandPayload, type PayloadSources, secretSpec } from './plan.ts';
import { payloadTargets } from './targets.ts';

/** Payloads do not learn where they are: one config is the same on every node, in Docker too. */
const NOWHERE = { hostname: '', platform: { architecture: '', os: '' } } as const;

/**
 * Fills in those secrets and configs of a task that are templates. They may take in its other secrets and configs, as
 * they are, and its environment (spec swarmkit-worker §4.14).
 *
 * @param spec with its own templates filled in
 */
export function payloadExpander(task: Task, spec: ContainerSpec, sources: PayloadSources): ExpandPayload {
  const targets = payloadTargets(spec);
  const context = payloadContext(templateFacts(task, { id: task.nodeId, ...NOWHERE }), {
    secret: (name) => {
      const found = targets.find(({ kind, file }) => kind === 'secret' && file.name === name);
      return found && secretSpec(found.id, task.id, sources).data;
    },
    config: (name) => {
      const found = targets.find(({ kind, file }) => kind === 'config' && file.name === name);
      return found && configSpec(found.id, sources).data;
    },
    env: (name) => spec.env.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1),
  });
  return (payload) => expandBytes(TEMPLATE_NAME, payload, context);
}
