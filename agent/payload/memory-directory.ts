import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { errorText, NetdError } from '#base/errors.ts';

/** File systems that live in memory (include/uapi/linux/magic.h: TMPFS_MAGIC, RAMFS_MAGIC). */
const MEMORY_MAGICS: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6]);

/** Any container may read what carries this label, so which one does is decided by its mounts, as everywhere else. */
const SELINUX_CONTEXT = 'system_u:object_r:container_file_t:s0';

export interface MemoryDirectory {
  readonly path: string;
  /** Group that may pass through on the way to its own files: root of the containers, when a user namespace maps it. */
  readonly gid: number;
  /** The engine labels containers with SELinux; files without a fitting label could not be read. */
  readonly selinux: boolean;
}

/**
 * Makes sure that the directory is there, is root's alone, and keeps nothing on a disk: mounts a tmpfs on it if what is
 * there is none.
 *
 * @throws NetdError `payload-not-in-memory`: no secret may be written then
 */
export async function ensureMemoryDirectory(wanted: MemoryDirectory): Promise<void> {
  const { path, gid, selinux } = wanted;
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const fit = (await isInMemory(path)) && (!selinux || (await isMountPoint(path)));
    if (!fit) await mountTmpfs(path, selinux);
    await restrict(path, gid);
  } catch (error) {
    throw notInMemory(path, errorText(error), error);
  }
  // Trust the kernel, not the command's exit status.
  if (!(await isInMemory(path))) throw notInMemory(path, 'it is still on a disk after mounting a tmpfs');
}

/** Mode 0700, or 0710 for the group of a mapped root; the engine, being root, reaches it either way. */
export async function restrict(path: string, gid: number): Promise<void> {
  if (gid !== 0) await chown(path, -1, gid);
  await chmod(path, gid === 0 ? 0o700 : 0o710);
}

async function isInMemory(path: string): Promise<boolean> {
  return MEMORY_MAGICS.has((await statfs(path)).type);
}

async function isMountPoint(path: string): Promise<boolean> {
  const [own, parent] = await Promise.all([stat(path), stat(dirname(path))]);
  return own.dev !== parent.dev;
}

async function mountTmpfs(path: string, selinux: boolean): Promise<void> {
  const context = selinux ? `,context=${SELINUX_CONTEXT}` : '';
  const options = `nodev,nosuid,noexec,mode=0700${context}`;
  await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', options, 'netd-tasks', path]);
}

function notInMemory(path: string, reason: string, cause?: unknown): NetdError {
  return new NetdError('payload-not-in-memory', `secrets cannot be kept in memory at ${path}: ${reason}`, {
    mend: `mount a tmpfs on ${path}, or let netd do so (it needs CAP_SYS_ADMIN)`,
    cause,
  });
}
