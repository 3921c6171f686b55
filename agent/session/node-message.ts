import { equals } from '@bufbuild/protobuf';
import type { SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { IssuanceStatus_State as Issuance, type Node, NodeRole, NodeSchema } from '#proto/gen/swarmkit/types_pb.js';

/** What a session message asks of this node beyond the manager list and the root (spec swarmkit-worker §1.8, §3.7). */
export interface NodeOrders {
  /** The node object to remember. */
  readonly node: Node | undefined;
  /** Renew the certificate now. */
  readonly rotate: boolean;
  /** The operator has promoted this node, which netd cannot follow; told once per change. */
  readonly promoted: boolean;
}

/**
 * Orders are edges: only a node object that differs from the last one (status and meta aside, which change all the time)
 * gives any.
 */
export function ordersOf(last: Node | undefined, message: SessionMessage): NodeOrders {
  const { node } = message;
  if (!node || (last && sameOrders(last, node))) return { node: last, rotate: false, promoted: false };
  const wasManager = last?.spec?.desiredRole === NodeRole.MANAGER;
  return {
    node,
    rotate: node.certificate?.status?.state === Issuance.ROTATE,
    promoted: node.spec?.desiredRole === NodeRole.MANAGER && !wasManager,
  };
}

function sameOrders(a: Node, b: Node): boolean {
  return equals(NodeSchema, stripped(a), stripped(b));
}

function stripped(node: Node): Node {
  const rest: Node = { ...node };
  delete rest.status;
  delete rest.meta;
  return rest;
}
