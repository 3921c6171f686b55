import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { errorText, isErrno } from '#base/errors.ts';

/** What a joined node remembers beside its certificates and tasks: whom to ask after a restart. */
export interface NodeState {
  readonly managers: readonly { readonly nodeId: string; readonly addr: string }[];
  /** What `netd join` was told of this node's own addresses; null is for netd to find out. */
  readonly advertiseAddr: string | null;
  readonly dataPathAddr: string | null;
}

export interface StateFile {
  readonly load: () => Promise<NodeState>;
  /** Writes in the background, the newest state last. */
  readonly save: (state: NodeState) => void;
  readonly flush: () => Promise<void>;
  readonly wipe: () => Promise<void>;
  /** Why the last write failed, if it did. */
  readonly problem: () => string | undefined;
}

const stateSchema = z.object({
  schemaVersion: z.literal(1),
  managers: z.array(z.object({ nodeId: z.string(), addr: z.string() })),
  advertiseAddr: z.nullable(z.string()),
  dataPathAddr: z.nullable(z.string()),
});

export const NO_STATE: NodeState = { managers: [], advertiseAddr: null, dataPathAddr: null };

/** How soon a write that failed is tried again: there may be room on the disk. */
const RETRY_MS = 1000;

export function createStateFile(stateDir: string): StateFile {
  const path = join(stateDir, 'state.json');
  let wanted: NodeState | undefined;
  let writing: Promise<void> = Promise.resolve();
  let problem: string | undefined;
  let retry: NodeJS.Timeout | undefined;

  const write = async () => {
    clearTimeout(retry);
    const state = wanted;
    wanted = undefined;
    if (!state) return;
    try {
      await writeFileAtomic(path, `${JSON.stringify({ schemaVersion: 1, ...state }, null, 2)}\n`, 0o600);
      problem = undefined;
    } catch (error) {
      problem = `the list of managers cannot be written to ${path}: ${errorText(error)}`;
      wanted ??= state; // unless a newer one has come
      retry = setTimeout(enqueue, RETRY_MS).unref(); // an agent that is told to stop need not wait for room
    }
  };

  const enqueue = () => {
    writing = writing.then(write);
  };

  return {
    load: async () => {
      try {
        const { schemaVersion: _, ...state } = stateSchema.parse(JSON.parse(await readFile(path, 'utf8')));
        return state;
      } catch (error) {
        // Half-written cannot be, by the way it is written; damaged or absent costs the addresses, and join takes new ones.
        if (!isErrno(error, 'ENOENT')) problem = `${path} is damaged and was passed over: ${errorText(error)}`;
        return NO_STATE;
      }
    },
    save: (state) => {
      wanted = state;
      enqueue();
    },
    flush: () => writing,
    wipe: async () => {
      wanted = undefined;
      await writing;
      wanted = undefined; // a write that failed meanwhile wants to be tried again
      clearTimeout(retry);
      await rm(path, { force: true });
      problem = undefined;
    },
    problem: () => problem,
  };
}
