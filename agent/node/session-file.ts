import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { writeFileAtomic } from '#base/atomic-file.ts';

/**
 * The id of the session a run of the agent had: presented at the next registration, a manager that still knows it goes on as
 * if nothing had happened. Losing it costs nothing but a new session.
 *
 * It lives in the run directory, not with the node's identity: a copy of the state directory (a cloned disk, a restored
 * backup) must not come with it. Managers let two processes share one session without a word; with a session each, they
 * evict each other, and that is noticed (spec swarmkit-worker §3.4).
 */
export interface SessionFile {
  /** The last session of this node; empty when there is none to be known. */
  readonly load: (nodeId: string) => Promise<string>;
  /** Writes in the background, the newest last. */
  readonly save: (nodeId: string, sessionId: string) => void;
  readonly flush: () => Promise<void>;
}

const schema = z.object({ schemaVersion: z.literal(1), nodeId: z.string(), sessionId: z.string() });

export function createSessionFile(runDir: string): SessionFile {
  const path = join(runDir, 'session.json');
  let writing: Promise<void> = Promise.resolve();
  return {
    load: async (nodeId) => {
      try {
        const found = schema.parse(JSON.parse(await readFile(path, 'utf8')));
        return found.nodeId === nodeId ? found.sessionId : '';
      } catch {
        return '';
      }
    },
    save: (nodeId, sessionId) => {
      const text = `${JSON.stringify({ schemaVersion: 1, nodeId, sessionId })}\n`;
      writing = writing.then(() => writeFileAtomic(path, text, 0o600)).catch(() => {});
    },
    flush: () => writing,
  };
}
