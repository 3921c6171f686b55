import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { getRawAsset, isSea } from 'node:sea';
import { errorText, NetdError } from '#base/errors.ts';

/**
 * The native part: `koffi`, which calls libc. Loaded at the first call that needs it: commands such as `netd status` never
 * load native code. In `dist/netd` its library is an asset (scripts/build.ts).
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

/** Where a library may be for the moment it is loaded. Only root writes there. /run is often mounted `noexec`. */
let directories: readonly string[] = ['/var/lib/netd', '/run/netd'];
const ASSET = 'koffi.node';
let koffi: Koffi | undefined;

/** Has the native part of the executable pass through `directory`, such as the state directory, first. */
export function useNativeDirectory(directory: string): void {
  directories = [directory, ...directories.filter((other) => other !== directory)];
}

export function loadKoffi(): Koffi {
  koffi ??= isSea() ? loadAsset() : (createRequire(import.meta.url)('koffi') as Koffi);
  return koffi;
}

function loadAsset(): Koffi {
  const failures: string[] = [];
  for (const directory of directories) {
    try {
      return loadThrough(directory);
    } catch (error) {
      failures.push(errorText(error));
    }
  }
  throw new NetdError('native-part', `the native part koffi cannot be loaded: ${failures.join('; ')}`, {
    mend: `Let one of ${directories.join(', ')} be writable for root, and not mounted noexec.`,
  });
}

/**
 * A library can be loaded from a file only. The file is in a directory that is new, and closed to all others (0700), so that
 * nobody can put another in its place; once loaded it is not needed any more.
 */
function loadThrough(directory: string): Koffi {
  const own = mkdtempSync(join(directory, '.native-'));
  try {
    const file = join(own, ASSET);
    writeFileSync(file, Buffer.from(getRawAsset(ASSET)), { flag: 'wx', mode: 0o500 });
    const library = { exports: {} };
    process.dlopen(library, file);
    return library.exports as Koffi;
  } finally {
    rmSync(own, { recursive: true });
  }
}
