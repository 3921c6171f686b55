import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNamespace, deleteNamespace } from '#netd/kernel/netns.ts';

/** Network namespaces of one test file, gone with it. */
export interface Scratch extends Disposable {
  readonly directory: string;
  /** A new, empty namespace; gives its file. */
  readonly namespace: (name: string) => string;
}

export function createScratch(): Scratch {
  const directory = mkdtempSync(join(tmpdir(), 'netd-kernel-'));
  return {
    directory,
    namespace: (name) => {
      const path = join(directory, name);
      createNamespace(path);
      return path;
    },
    [Symbol.dispose]: () => {
      for (const name of readdirSync(directory)) deleteNamespace(join(directory, name));
      rmSync(directory, { recursive: true });
    },
  };
}
