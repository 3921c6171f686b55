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

export function createStateFile(stateDir: string): StateFile {
  const path = join(stateDir, 'state.json');
  let wanted: NodeState | undefined;
  let writing: Promise<void> = Promise.resolve();
  let problem: string | undefined;

  const write = async () => {
    const state = wanted;
    wanted = undefined;
    if (!state) return;
    try {
      await writeFileAtomic(path, `${JSON.stringify({ schemaVersion: 1, ...state }, null, 2)}\n`, 0o600);
      problem = undefined;
    } catch (error) {
      problem = `the list of managers cannot be written to ${path}: ${errorText(error)}`;
    }
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
      writing = writing.then(write);
    },
    flush: () => writing,
    wipe: async () => {
      wanted = undefined;
      await writing;
      await rm(path, { force: true });
    },
    problem: () => problem,
  };
}
