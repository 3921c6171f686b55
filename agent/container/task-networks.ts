import type { NetworkAttachment } from '#proto/gen/swarmkit/types_pb.js';
import type { EndpointBody, NetworkCreateBody } from './engine-bodies.ts';
import { type NetworkUse, networkUse } from './networks.ts';
import { SpecError } from './spec-error.ts';

/** How a container is attached to the networks of its task. */
export interface NetworkPlan {
  /** Engine networks to have before the container is created, in this order. */
  readonly create: readonly NetworkCreateBody[];
  /** The container's first network, given when it is created. */
  readonly mode: string;
  /** Options of the endpoint there; `undefined` where the engine takes none. */
  readonly endpoint: EndpointBody | undefined;
  /** Networks to connect the container to after it was created and before it starts. */
  readonly connect: readonly NetworkConnection[];
}

export interface NetworkConnection {
  readonly network: string;
  readonly endpoint: EndpointBody;
}

type Attached = Exclude<NetworkUse, { kind: 'overlay' }>;

/**
 * A task without networks goes on the engine's default bridge. All networks but the first are connected afterwards:
 * engines before API 1.44 take one when creating.
 *
 * @throws SpecError for an overlay, and for an attachment that is not complete
 */
export function planNetworks(attachments: readonly NetworkAttachment[]): NetworkPlan {
  const uses = attachments.map((attachment) => attached(networkUse(attachment)));
  const [first, ...rest] = uses;
  return {
    create: uses.flatMap((use) => (use.kind === 'predefined' ? [] : [use.create])),
    mode: first?.name ?? 'default',
    endpoint: first?.endpoint,
    connect: rest.map(({ name, endpoint }) => ({ network: name, endpoint })),
  };
}

function attached(use: NetworkUse): Attached {
  if (use.kind !== 'overlay') return use;
  throw new SpecError(
    use.ingress
      ? 'overlay networks are not supported yet: ports published through the routing mesh need one'
      : `overlay networks are not supported yet: ${use.name}`,
    { mend: use.ingress ? 'publish the port with mode=host' : 'use a node-local network, or constrain the service' },
  );
}
