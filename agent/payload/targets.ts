import { cleanPath } from '#agent/container/posix-path.ts';
import { quoted, SpecError } from '#agent/container/spec-error.ts';
import type { ConfigReference, ContainerSpec, FileTarget, SecretReference } from '#proto/gen/swarmkit/types_pb.js';
import { safeId } from './task-dir.ts';

/** A secret or config of a task that is to appear as a file in its container. */
export interface PayloadTarget {
  readonly kind: 'secret' | 'config';
  /** Id of the object at the manager. */
  readonly id: string;
  /** Name of the backing file in the task's directory on the host; one per object. */
  readonly fileName: string;
  /** Where the container sees it, absolute. */
  readonly target: string;
  readonly file: FileTarget;
}

/**
 * The files a task's secrets and configs become, in the order given: secrets first. References without a file target
 * (runtime configs, which are credential specs of Windows) become none (spec swarmkit-worker §4.13).
 *
 * @throws SpecError for an id or a target that cannot be a path
 */
export function payloadTargets(spec: ContainerSpec): readonly PayloadTarget[] {
  return [
    ...spec.secrets.flatMap((reference) => targetOf('secret', reference.secretId, reference.target)),
    ...spec.configs.flatMap((reference) => targetOf('config', reference.configId, reference.target)),
  ];
}

/** Where a relative name starts. */
const BASES = { secret: '/run/secrets/', config: '/' } as const;

function targetOf(
  kind: PayloadTarget['kind'],
  id: string,
  reference: SecretReference['target'] | ConfigReference['target'],
): readonly PayloadTarget[] {
  if (reference.case !== 'file') return [];
  const file = reference.value;
  const target = cleanPath(file.name.startsWith('/') ? file.name : BASES[kind] + file.name);
  if (file.name === '' || target === '/') {
    throw new SpecError(`${kind} ${id} has a target that is no file: ${quoted(file.name)}`);
  }
  return [{ kind, id, fileName: `${kind}-${safeId(id)}`, target, file }];
}
