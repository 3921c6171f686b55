import type { TaskFact } from './view.ts';

/** What people call a task: `web.3`, or the bare service name for a task of a global service, of which a node has one. */
export function shortTaskName(task: Pick<TaskFact, 'service' | 'slot'>): string {
  return task.slot > 0 ? `${task.service}.${task.slot}` : task.service;
}
