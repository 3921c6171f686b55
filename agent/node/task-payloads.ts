import { payloadExpander } from '#agent/payload/payload-expander.ts';
import type { PayloadSources } from '#agent/payload/plan.ts';
import { planPayload } from '#agent/payload/plan.ts';
import type { PayloadStore } from '#agent/payload/store.ts';
import { payloadTargets } from '#agent/payload/targets.ts';
import { taskPayloadDir } from '#agent/payload/task-dir.ts';
import type { TaskPayloads } from '#agent/tasks/engine-operations.ts';

/** Where the files of all tasks are (design: secrets never on a persistent disk). */
export function payloadRoot(runDir: string): string {
  return `${runDir}/tasks`;
}

/**
 * Brings together what the manager assigned and the store of files.
 * @param open gives the store; its first call may fail (no memory-backed directory), and then no task with secrets starts
 */
export function createTaskPayloads(
  open: () => Promise<PayloadStore>,
  sources: PayloadSources,
  runDir: string,
): TaskPayloads {
  return {
    directory: (taskId) => taskPayloadDir(payloadRoot(runDir), taskId),
    reserve: async (task, plan) => {
      if (plan.payloadFiles.length > 0) await (await open()).reserve(task.id, plan.payloadFiles);
    },
    fill: async (task, plan) => {
      if (plan.payloadFiles.length === 0) return;
      const store = await open();
      if (await store.isWritten(task.id)) return;
      const expand = payloadExpander(task, plan.spec, sources);
      await store.write(task.id, planPayload(task.id, payloadTargets(plan.spec), sources, expand));
    },
    remove: async (taskId) => {
      await (await open()).remove(taskId);
    },
  };
}
