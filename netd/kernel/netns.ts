import { closeSync, mkdirSync, openSync, stat, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { types } from 'node:util';
import { errorText, isErrno } from '#base/errors.ts';
import { errnoName, KernelError } from './errors.ts';
import { callLibc, libc, libcErrno } from './libc.ts';

/** linux/sched.h */
const CLONE_NEWNET = 0x4000_0000;
/** sys/mount.h */
const MS_BIND = 4096;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
/** linux/magic.h: the file system namespace files belong to. */
const NSFS_MAGIC = 0x6e73_6673n;

/** The network namespace of the calling thread; `/proc/self` would be that of the process's first thread. */
const OWN_NAMESPACE = '/proc/thread-self/ns/net';
/** Mounts of one path lie on top of each other; more than a crash between two steps can leave, and an end to the loop. */
const MOST_STACKED_MOUNTS = 8;
/** sysexits.h EX_OSERR: what the process ends with when it cannot get back into its own namespace. */
const EXIT_LOST_NAMESPACE = 71;

type NotPromise<T> = T extends PromiseLike<unknown> ? never : T;

/** The namespace the thread is in: its own, unless within `inNamespace`. Opened at the first use, kept for good. */
let here: { readonly fd: number; readonly name: string } | undefined;

/**
 * Runs `f` with the main thread in the network namespace at `path`: sockets it opens, processes it starts and files below
 * /proc/sys/net it touches are those of that namespace. Then the thread goes back, whatever `f` did. Synchronous, so
 * that nothing else of this process ever runs in the wrong namespace. May be nested.
 *
 * A process that could not get back would open every later socket in some container's network. So it ends instead, at once.
 *
 * @param path a namespace file: a bind mount, or /proc/PID/ns/net
 * @throws KernelError `namespace-gone` when the path leads to no network namespace; what `f` throws
 * @throws TypeError when `f` is asynchronous
 */
export function inNamespace<T>(path: string, f: () => NotPromise<T>): T {
  // An asynchronous function may do its first steps before anybody can tell; refuse those that can be told beforehand.
  if (types.isAsyncFunction(f)) throw new TypeError('inNamespace takes no async function');
  const home = ownNamespace();
  const fd = openNamespace(path);
  try {
    if (libc().setns(fd, CLONE_NEWNET) < 0) throw notEntered(path, libcErrno());
    here = { fd, name: path };
    let result: T;
    try {
      result = f();
    } finally {
      goBackTo(home);
    }
    if (isThenable(result)) {
      result.then(undefined, () => {}); // it is refused here; that it also fails later is nobody's business
      throw new TypeError('inNamespace takes no function that returns a promise');
    }
    return result;
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a network namespace that lives as long as the mount on `path` does. Does nothing when there is one already.
 * Directories on the way are made, readable by root only.
 *
 * @returns false if there was one
 * @throws KernelError
 */
export function createNamespace(path: string): boolean {
  if (isNamespace(path)) return false;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // An empty file of this name is what a crash between here and the mount leaves: it is used.
  closeSync(openSync(path, 'a', 0o400));
  const home = ownNamespace();
  try {
    callLibc(`ip netns add ${path}: unshare`, 'unshare', CLONE_NEWNET);
    here = { fd: home.fd, name: path };
    try {
      callLibc(`mount --bind ${OWN_NAMESPACE} ${path}`, 'mount', OWN_NAMESPACE, path, null, MS_BIND, null);
    } finally {
      goBackTo(home);
    }
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
  return true;
}

/**
 * Takes the name of a namespace away. The namespace itself, and every interface in it, ends when also no process and no
 * socket is in it any more. Does nothing when there is no such file.
 *
 * @throws KernelError
 */
export function deleteNamespace(path: string): void {
  for (let layer = 0; layer < MOST_STACKED_MOUNTS; layer++) {
    if (libc().umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) === 0) continue;
    const errno = errnoName(libcErrno());
    if (errno === 'ENOENT') return;
    if (errno === 'EINVAL') break; // not a mount (any more)
    throw new KernelError(errno, `umount ${path}`);
  }
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT'))
      throw new KernelError(errnoOf(error), `ip netns delete ${path}: unlink`, { cause: error });
  }
}

/** Device and inode of a namespace: equal for two paths if, and only if, they lead to the same one. */
export function namespaceId(path: string): string {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    throw notOpened(path, error);
  }
}

/** True if a namespace is mounted on `path`; false for a file left over, and for none. */
export function isNamespace(path: string): boolean {
  try {
    return statfsSync(path, { bigint: true }).type === NSFS_MAGIC;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw notOpened(path, error);
  }
}

function ownNamespace(): { readonly fd: number; readonly name: string } {
  if (here === undefined) {
    // The threads of Node's pool are started at the first call that needs one, and are born into the namespace of the
    // thread that calls. A first call within `inNamespace` would put all later name lookups there: so make it now.
    stat('/', () => {});
    here = { fd: openSync(OWN_NAMESPACE, 'r'), name: OWN_NAMESPACE };
  }
  return here;
}

function goBackTo(home: { readonly fd: number; readonly name: string }): void {
  if (libc().setns(home.fd, CLONE_NEWNET) === 0) {
    here = home;
    return;
  }
  const reason = errnoName(libcErrno());
  // No exit handlers: they would run in the wrong namespace too.
  writeSync(
    2,
    `netd: fatal: left in namespace ${here?.name}: no way back to ${home.name}: ${reason}. The process ends, so that no socket is opened there; it can be started again.\n`,
  );
  libc()._exit(EXIT_LOST_NAMESPACE);
}

function openNamespace(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw notOpened(path, error);
  }
}

/** A file that opens but is no network namespace: its mount is gone, the file not yet. */
function notEntered(path: string, errno: number): KernelError {
  const name = errnoName(errno);
  return new KernelError(name, `enter namespace ${path}`, name === 'EINVAL' ? { code: 'namespace-gone' } : {});
}

function notOpened(path: string, error: unknown): KernelError {
  // ESRCH: a /proc/PID/ns/net whose process has just ended.
  const isGone = isErrno(error, 'ENOENT', 'ENOTDIR', 'ESRCH');
  return new KernelError(errnoOf(error), `open namespace ${path}`, {
    ...(isGone && { code: 'namespace-gone' }),
    cause: error,
  });
}

function errnoOf(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? errorText(error);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
