import { type Mount, Mount_Type } from '#proto/gen/swarmkit/types_pb.js';
import { quoted, SpecError } from './spec-error.ts';

/**
 * Refuses mounts that can never work here, before anything is created. The checks and their words are those of Docker's
 * worker; they look at the mount as the manager sent it, templates not yet filled in (spec swarmkit-worker §4.4). What
 * the engine checks itself (a missing bind source, options of the wrong kind) is left to it.
 *
 * @throws SpecError
 */
export function checkMounts(mounts: readonly Mount[]): void {
  for (const mount of mounts) {
    const problem = problemOf(mount);
    if (problem !== undefined) throw new SpecError(problem);
  }
}

function problemOf({ type, source, target }: Mount): string | undefined {
  if (type === Mount_Type.NPIPE) {
    return `invalid mount config for type "npipe": mount type unknown (named pipes exist on Windows only): ${quoted(target)}`;
  }
  if (!isAbsolute(target)) return `invalid mount target, must be an absolute path: ${target}`;
  switch (type) {
    case Mount_Type.BIND:
      return isAbsolute(source) ? undefined : `invalid bind mount source, must be an absolute path: ${source}`;
    case Mount_Type.VOLUME:
      return isAbsolute(source) ? `invalid volume mount source, must not be an absolute path: ${source}` : undefined;
    case Mount_Type.TMPFS:
      return source === '' ? undefined : 'invalid tmpfs source, source must be empty';
    case Mount_Type.CLUSTER:
      return `cluster volumes (CSI) are not supported on this node: volume ${quoted(source)} at ${target}`;
    default:
      return `invalid mount type: ${String(type satisfies never)}`;
  }
}

function isAbsolute(path: string): boolean {
  return path.startsWith('/');
}
