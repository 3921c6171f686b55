import { stat } from 'node:fs/promises';
import pLimit from 'p-limit';
import { missingBindSource } from '#agent/container/mounts.ts';
import { SpecError } from '#agent/container/spec-error.ts';
import { isErrno } from '#base/errors.ts';

/**
 * Whether what a container binds is still there: told in words, before the container runtime tells it in its own.
 *
 * @throws SpecError for a source that is gone
 */
export type BindSourceCheck = (path: string) => Promise<void>;

/**
 * A look at a file system whose server is away (NFS, say) never ends, and keeps one of the four threads with which this process
 * reads and writes all its files.
 */
const LOOKS_AT_ONCE = 1;
/** Then the container is started unchecked: a source that is gone fails its start as well. */
const LONGEST_LOOK_MS = 3000;
/** Behind a look that never ends, a line would grow with every start. */
const MOST_WAITING = 100;

/** @param look stat(2), or for a test one that hangs */
export function createBindSourceCheck(look: (path: string) => Promise<unknown> = stat): BindSourceCheck {
  const inTurn = pLimit(LOOKS_AT_ONCE);
  return async (path) => {
    if (inTurn.pendingCount >= MOST_WAITING) return;
    const missing = inTurn(async () => {
      try {
        await look(path);
        return false;
      } catch (error) {
        return isErrno(error, 'ENOENT');
      }
    });
    if (await orFalseAfter(LONGEST_LOOK_MS, missing)) throw new SpecError(missingBindSource(path));
  };
}

/** The answer, or `false` when it takes longer. */
function orFalseAfter(limitMs: number, answer: Promise<boolean>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), limitMs);
    void answer.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
