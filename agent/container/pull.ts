import type { ContainerSpec } from '#proto/gen/swarmkit/types_pb.js';
import { familiarImage, parseImageReference } from './image-reference.ts';
import { type RegistryAuth, registryAuth } from './registry-auth.ts';

/**
 * Whether a task's image is pulled before its container is created. A pull that fails is not the task's failure: the
 * create that follows says whether the image is there (spec swarmkit-worker §4.8).
 */
export type PullPlan =
  /** Named by id, or not readable: nothing a registry could answer. */
  | { readonly kind: 'never' }
  /** `if-absent`: named by digest, so what is here cannot be outdated. `always`: a tag may have moved. */
  | {
      readonly kind: 'if-absent' | 'always';
      readonly reference: string;
      readonly auth: RegistryAuth | undefined;
      /** The manager sent credentials that cannot be read: warn, and pull without. */
      readonly authUnreadable: boolean;
    };

export function planPull(spec: ContainerSpec): PullPlan {
  const image = parseImageReference(spec.image);
  if (image.kind !== 'named') return { kind: 'never' };
  const auth = registryAuth(spec);
  return {
    kind: image.digest === undefined ? 'always' : 'if-absent',
    reference: familiarImage(image),
    auth: typeof auth === 'string' ? undefined : auth,
    authUnreadable: auth === 'unreadable',
  };
}
