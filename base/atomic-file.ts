import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Replaces the file whole or not at all: written beside it, flushed, renamed over it, and the directory flushed.
 * A reader sees the old content or the new, also after a power cut.
 *
 * @throws the system error of the step that failed (ENOSPC, EACCES, …); the old file is then untouched.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.chmod(mode); // the umask may have taken bits away
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** As `writeFileAtomic` names what it has not finished. */
const UNFINISHED = /\.[0-9a-f]{8}\.tmp$/;

/**
 * Removes what writes in this directory left behind that a kill or a power cut ended in the middle. Nobody may be writing there.
 *
 * @throws the system error when the directory cannot be read, or a file not be removed
 */
export async function removeUnfinished(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isFile() && UNFINISHED.test(entry.name)) await rm(join(directory, entry.name), { force: true });
  }
}

/** Flushes a directory, so that renames and removals in it outlive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
