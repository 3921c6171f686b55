import { quoted, SpecError } from '#agent/container/spec-error.ts';

/** An id becomes one name in a path; anything else could lead out of the directory it is put in. */
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** The directory of a task's secrets and configs on the host, below the one of all tasks (`/run/netd/tasks`). */
export function taskPayloadDir(root: string, taskId: string): string {
  return `${root}/${safeId(taskId)}`;
}

/** @throws SpecError unless the id can be used as the name of a file */
export function safeId(id: string): string {
  if (!SAFE_ID.test(id)) throw new SpecError(`not an id: ${quoted(id.slice(0, 128))}`);
  return id;
}

/** True for what `safeId` lets pass: to tell tasks' directories from other things found beside them. */
export function isSafeId(id: string): boolean {
  return SAFE_ID.test(id);
}
