import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { isErrno } from '#base/errors.ts';
import { ensureMemoryDirectory, restrict } from './memory-directory.ts';
import type { PayloadFile } from './plan.ts';
import { isSafeId, taskPayloadDir } from './task-dir.ts';

/** Host ids of a container's root: 0 and 0, unless the engine runs containers in a user namespace (userns-remap). */
export interface ContainerRoot {
  readonly uid: number;
  readonly gid: number;
}

/** Written last into a task's directory: every file of the task is complete. */
const FILLED = '.filled';

/**
 * The files of tasks' secrets and configs on the host, in memory. They outlive this process, as the containers do that
 * have them mounted; after a restart of the host they are gone, and the manager sends them again.
 */
export class PayloadStore {
  readonly #root: string;
  readonly #containerRoot: ContainerRoot;

  private constructor(root: string, containerRoot: ContainerRoot) {
    this.#root = root;
    this.#containerRoot = containerRoot;
  }

  /**
   * @param root directory of all tasks, such as `/run/netd/tasks`
   * @throws NetdError `payload-not-in-memory`
   */
  static async open(
    root: string,
    options: { readonly containerRoot?: ContainerRoot; readonly selinux?: boolean } = {},
  ): Promise<PayloadStore> {
    const containerRoot = options.containerRoot ?? { uid: 0, gid: 0 };
    await ensureMemoryDirectory({ path: root, gid: containerRoot.gid, selinux: options.selinux ?? false });
    return new PayloadStore(root, containerRoot);
  }

  /** Makes empty files where there are none: the engine wants bind sources to be there when it creates a container. */
  async reserve(taskId: string, fileNames: readonly string[]): Promise<void> {
    if (fileNames.length === 0) return;
    const directory = await this.#ensureTaskDir(taskId);
    for (const fileName of fileNames) {
      try {
        await (await open(`${directory}/${fileName}`, 'wx', 0o400)).close();
      } catch (error) {
        if (!isErrno(error, 'EEXIST')) throw error;
      }
    }
  }

  /** Writes all files of a task; a container that starts after this sees them whole. */
  async write(taskId: string, files: readonly PayloadFile[]): Promise<void> {
    if (files.length === 0) return;
    const directory = await this.#ensureTaskDir(taskId);
    for (const file of files) await this.#writeFile(directory, file);
    await (await open(`${directory}/${FILLED}`, 'w', 0o400)).close();
  }

  /** True if `write` has finished for this task since the host started: also by an earlier life of this process. */
  async isWritten(taskId: string): Promise<boolean> {
    try {
      await stat(`${taskPayloadDir(this.#root, taskId)}/${FILLED}`);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Forgets a task's files. A container that still has them mounted keeps what it sees. */
  async remove(taskId: string): Promise<void> {
    await rm(taskPayloadDir(this.#root, taskId), { recursive: true, force: true });
  }

  /** Ids of the tasks that have files here: to remove those nobody knows any more. */
  async list(): Promise<readonly string[]> {
    const entries = await readdir(this.#root, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && isSafeId(entry.name)).map((entry) => entry.name);
  }

  async #ensureTaskDir(taskId: string): Promise<string> {
    const directory = taskPayloadDir(this.#root, taskId);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await restrict(directory, this.#containerRoot.gid);
    return directory;
  }

  /** Beside it first and then renamed over it, so that a half-written secret is never seen under its name. */
  async #writeFile(directory: string, file: PayloadFile): Promise<void> {
    const path = `${directory}/${file.fileName}`;
    const temporary = `${path}.tmp`;
    await rm(temporary, { force: true });
    try {
      const handle = await open(temporary, 'wx', 0o600);
      try {
        await handle.writeFile(file.bytes);
        await handle.chown(this.#containerRoot.uid + file.uid, this.#containerRoot.gid + file.gid);
        await handle.chmod(file.mode);
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
  }
}
