import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNamespace, deleteNamespace } from '#netd/kernel/netns.ts';

const PREFIX = 'netd-kernel-';

/** Network namespaces of one test file, gone with it. */
export interface Scratch extends Disposable {
  readonly directory: string;
  /** A new, empty namespace; gives its file. */
  readonly namespace: (name: string) => string;
}

export function createScratch(): Scratch {
  removeLeftovers();
  const directory = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  return {
    directory,
    namespace: (name) => {
      const path = join(directory, name);
      createNamespace(path);
      return path;
    },
    [Symbol.dispose]: () => remove(directory),
  };
}

/** What runs left that were killed. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-')[0] : undefined;
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) remove(join(tmpdir(), name));
  }
}

function remove(directory: string): void {
  for (const name of readdirSync(directory)) deleteNamespace(join(directory, name));
  rmSync(directory, { recursive: true });
}
