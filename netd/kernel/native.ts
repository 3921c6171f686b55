import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { getRawAsset, isSea } from 'node:sea';
import { errorText, NetdError } from '#base/errors.ts';

/**
 * The two native parts: `koffi` calls libc, `netlink` tells of events on a netlink socket. Both are loaded at the first call
 * that needs them: commands such as `netd status` never load native code.
 */

export interface Koffi {
  readonly load: (library: string | null) => { readonly func: (prototype: string) => NativeFunction };
  /** The calling thread's errno. */
  readonly errno: () => number;
}

export type NativeArgument = number | bigint | string | Uint8Array | null;

export interface NativeFunction {
  (...args: readonly NativeArgument[]): number;
  /** The same call on a thread of the pool. Errno does not come back with it. */
  readonly async: (...args: readonly [...NativeArgument[], (error: Error | null, result: number) => void]) => void;
}

/** The lowest layer of the package `netlink`: a socket the event loop watches. */
export interface NativeNetlink {
  readonly bind: (port: number, groups: number) => void;
  readonly addMembership: (group: number) => void;
  readonly setRecvBufferSize: (bytes: number) => void;
  readonly unref: () => void;
  readonly close: () => void;
}

export type NativeNetlinkClass = new (
  protocol: number,
  bufferBytes: number,
  received: (datagram: Buffer, from: { readonly port: number; readonly truncated?: number }) => void,
  failed: (error: NodeJS.ErrnoException) => void,
) => NativeNetlink;

interface Addons {
  readonly koffi: Koffi;
  readonly netlink: { readonly NativeNetlink: NativeNetlinkClass };
}

/** Where they are while developing. In `dist/netd` they are assets `NAME.node` (scripts/build.ts). */
const MODULES: Readonly<Record<keyof Addons, string>> = {
  koffi: 'koffi',
  netlink: `netlink/prebuilds/linux-${process.arch}/node.napi.node`,
};

/** Where a library may be for the moment it is loaded. Only root writes there. /run is often mounted `noexec`. */
let directories: readonly string[] = ['/var/lib/netd', '/run/netd'];
let koffi: Koffi | undefined;
let netlink: Addons['netlink'] | undefined;

/** Has the native parts of the executable pass through `directory`, such as the state directory, first. */
export function useNativeDirectory(directory: string): void {
  directories = [directory, ...directories.filter((other) => other !== directory)];
}

export function loadKoffi(): Koffi {
  koffi ??= load('koffi');
  return koffi;
}

export function loadNetlink(): Addons['netlink'] {
  netlink ??= load('netlink');
  return netlink;
}

function load<K extends keyof Addons>(name: K): Addons[K] {
  if (!isSea()) return createRequire(import.meta.url)(MODULES[name]) as Addons[K];
  const failures: string[] = [];
  for (const directory of directories) {
    try {
      return loadThrough(directory, name);
    } catch (error) {
      failures.push(errorText(error));
    }
  }
  throw new NetdError('native-part', `the native part ${name} cannot be loaded: ${failures.join('; ')}`, {
    mend: `Let one of ${directories.join(', ')} be writable for root, and not mounted noexec.`,
  });
}

/**
 * A library can be loaded from a file only. The file is in a directory that is new, and closed to all others (0700), so that
 * nobody can put another in its place; once loaded it is not needed any more.
 */
function loadThrough<K extends keyof Addons>(directory: string, name: K): Addons[K] {
  const own = mkdtempSync(join(directory, '.native-'));
  try {
    const file = join(own, `${name}.node`);
    writeFileSync(file, Buffer.from(getRawAsset(`${name}.node`)), { flag: 'wx', mode: 0o500 });
    const library = { exports: {} };
    process.dlopen(library, file);
    return library.exports as Addons[K];
  } finally {
    rmSync(own, { recursive: true });
  }
}
