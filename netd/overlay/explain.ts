import type { OverlayOp } from './op.ts';
import type { OverlayView } from './view.ts';

// Which ops of a pass follow from a change of our own wishes, and which mend what somebody else did.

/** What was wanted of each link at the end of the last pass that went well, as text. */
export type Settled = ReadonlyMap<string, string>;

export function settledOf(view: OverlayView): Settled {
  const settled = new Map<string, string>();
  for (const { bridge, gateway, vxlan } of view.segments) {
    settled.set(bridge.name, `${gateway} ${view.mtu}`);
    settled.set(vxlan.name, `${JSON.stringify(vxlan)} ${view.mtu}`);
  }
  for (const { inner, segment, endpoint } of view.ports) {
    settled.set(inner.name, `${segment} ${endpoint.mac} ${view.mtu}`);
  }
  return settled;
}

/**
 * @param before what was settled; a network that never was has no drift, it is being adopted
 * @param expected texts of row ops that changes of rows or of local addresses ask for
 * @param fresh devices made in this pass: that they lack rows is no news
 */
export function unexplained(
  ops: readonly OverlayOp[],
  before: Settled,
  now: Settled,
  expected: (op: OverlayOp) => boolean,
): OverlayOp[] {
  const fresh = new Set(ops.flatMap((op) => (op.kind === 'vxlan-add' ? [op.link] : [])));
  return ops.filter((op) => {
    switch (op.kind) {
      case 'learned-delete':
        return false;
      case 'neighbour-replace':
      case 'neighbour-delete':
      case 'fdb-replace':
      case 'fdb-delete':
        return !fresh.has(op.link) && !expected(op);
      case 'namespace-add':
      case 'namespace-name':
      case 'sysctl-set':
        return true;
      default:
        return before.get(op.link) === now.get(op.link);
    }
  });
}
