import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { syncDirectory, writeFileAtomic } from '#base/atomic-file.ts';

/** What the certificate store asks of the file system: each is one step that happens or does not. */
export interface StoreFiles {
  /** The whole file, or undefined when there is none. */
  readonly read: (path: string) => Promise<Buffer | undefined>;
  /** The names in a directory; none when there is no such directory. */
  readonly list: (path: string) => Promise<readonly string[]>;
  readonly write: (path: string, data: string | Uint8Array) => Promise<void>;
  readonly rename: (from: string, to: string) => Promise<void>;
  /** Removes the file or the whole directory, if it is there. */
  readonly remove: (path: string) => Promise<void>;
  readonly makeDirectory: (path: string) => Promise<void>;
  readonly sync: (directory: string) => Promise<void>;
}

/** Keys are among the files: nobody but root has any business in them. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

export const diskFiles: StoreFiles = {
  read: (path) => unlessMissing(readFile(path), undefined),
  list: (path) => unlessMissing(readdir(path), []),
  write: (path, data) => writeFileAtomic(path, data, FILE_MODE),
  rename,
  remove: (path) => rm(path, { recursive: true, force: true }),
  makeDirectory: async (path) => {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  },
  sync: syncDirectory,
};

async function unlessMissing<T, D>(result: Promise<T>, instead: D): Promise<T | D> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return instead;
    throw error;
  }
}
