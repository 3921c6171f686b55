import type { MountBody } from '#agent/container/engine-bodies.ts';
import { cleanPath } from '#agent/container/posix-path.ts';
import type { PayloadTarget } from './targets.ts';

/**
 * A container's mounts with those of its secrets and configs: each file read-only at its target. The engine refuses two
 * mounts at one place; Docker's worker lays secrets over mounts and configs over secrets, so the later one alone is
 * kept, which looks the same from inside.
 *
 * @param directory the task's directory on the host
 */
export function withPayloadMounts(
  mounts: readonly MountBody[],
  targets: readonly PayloadTarget[],
  directory: string,
): readonly MountBody[] {
  const files = new Map(
    targets.map(({ fileName, target }): [string, MountBody] => [
      target,
      {
        Type: 'bind',
        Source: `${directory}/${fileName}`,
        Target: target,
        ReadOnly: true,
        BindOptions: { Propagation: 'rprivate' },
      },
    ]),
  );
  return [...mounts.filter((mount) => !files.has(cleanPath(mount.Target))), ...files.values()];
}
