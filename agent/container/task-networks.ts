import type { NetworkAttachment } from '#proto/gen/swarmkit/types_pb.js';
import type { EndpointBody, NetworkCreateBody } from './engine-bodies.ts';
import { type NetworkUse, networkUse } from './networks.ts';

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
  /** Swarm ids of the overlay networks among them. */
  readonly overlays: readonly string[];
}

export interface NetworkConnection {
  readonly network: string;
  readonly endpoint: EndpointBody;
}

/**
 * A task without networks goes on the engine's default bridge. All networks but the first are connected afterwards:
 * engines before API 1.44 take one when creating.
 *
 * @throws SpecError for what netd cannot do yet, and for an attachment that is not complete
 */
export function planNetworks(attachments: readonly NetworkAttachment[], taskId: string): NetworkPlan {
  const uses: readonly NetworkUse[] = attachments.map((attachment) => networkUse(attachment, taskId));
  const [first, ...rest] = uses;
  return {
    create: uses.flatMap((use) => (use.kind === 'predefined' ? [] : [use.create])),
    mode: first?.name ?? 'default',
    endpoint: first?.endpoint,
    connect: rest.map(({ name, endpoint }) => ({ network: name, endpoint })),
    overlays: uses.flatMap((use) => (use.kind === 'overlay' ? [use.networkId] : [])),
  };
}
