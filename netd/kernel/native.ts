import { createRequire } from 'node:module';

/**
 * The parts of `koffi` (calls into libc) that are used here. Loaded at the first call that needs it: commands such as
 * `netd status` never load native code.
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

let koffi: Koffi | undefined;

export function loadKoffi(): Koffi {
  koffi ??= createRequire(import.meta.url)('koffi') as Koffi;
  return koffi;
}
