import type { ContainerSpec, Task, TaskSpec } from '#proto/gen/swarmkit/types_pb.js';
import { quoted, SpecError } from './spec-error.ts';

/**
 * The container a task asks for. Tasks may ask for other things: a network attachment for a container somebody else
 * started, or an engine plugin (spec swarmkit-worker §4.18).
 *
 * @throws SpecError for those, and for a container without an image
 */
export function containerSpecOf(task: Task): { readonly taskSpec: TaskSpec; readonly spec: ContainerSpec } {
  const taskSpec = task.spec;
  if (taskSpec === undefined) throw new SpecError('exec: unsupported runtime');
  const { runtime } = taskSpec;
  switch (runtime.case) {
    case 'container':
      if (runtime.value.image === '') throw new SpecError('dockerexec: image required');
      return { taskSpec, spec: runtime.value };
    case 'attachment':
      throw new SpecError('overlay networks are not supported yet: attaching a container that is not a task');
    case 'generic':
      throw new SpecError(
        runtime.value.kind === 'plugin'
          ? 'runtime type "plugin" is not supported on this node: netd does not manage engine plugins'
          : `unsupported runtime type: ${quoted(runtime.value.kind)}`,
      );
    default:
      throw new SpecError('exec: unsupported runtime');
  }
}
