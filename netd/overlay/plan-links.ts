import { isOurLink } from './names.ts';
import type { ObservedLink, ObservedNamespace, ObservedVxlan } from './observed.ts';
import type { ContainerWish, OverlayOp, VxlanWish } from './op.ts';
import type { NamedLink, OverlayView, Port, Segment } from './view.ts';

/** Values below /proc/sys that the namespace of a network needs (spec dataplane §9.8). */
export const NAMESPACE_SYSCTLS: ReadonlyMap<string, string> = new Map([
  // Between the subnets of one network the sending node routes.
  ['net/ipv4/ip_forward', '1'],
  // The host's firewall has no say inside; the key exists only where br_netfilter is loaded.
  ['net/bridge/bridge-nf-call-iptables', '0'],
]);

/** Link changes in the order they must happen in, around the rows (spec dataplane §8.4). */
export interface LinkPlan {
  /** Namespace, bridges, vxlan devices, addresses. */
  readonly base: readonly OverlayOp[];
  /** Pairs of endpoints: after rows for addresses that became local are gone. */
  readonly ports: readonly OverlayOp[];
  /** What is ours and no longer wanted. */
  readonly leftovers: readonly OverlayOp[];
  /** Bridges and vxlan devices that will be new: without ports, and without rows, whatever was observed. */
  readonly fresh: ReadonlySet<string>;
}

/** @param observed undefined if the namespace does not exist */
export function planLinks(view: OverlayView, observed: ObservedNamespace | undefined): LinkPlan {
  const base: OverlayOp[] = [];
  const fresh = new Set<string>();
  if (observed === undefined) base.push({ kind: 'namespace-add', namespace: view.namespace });
  else if (!observed.isNamed) base.push({ kind: 'namespace-name', namespace: view.namespace });
  base.push(...planSysctls(observed));
  for (const segment of view.segments) {
    const bridge = planBridge(segment, view.mtu, observed?.links.get(segment.bridge.name));
    if (bridge.some(({ kind }) => kind === 'bridge-add')) fresh.add(segment.bridge.name);
    base.push(...bridge);
    const vxlan = planVxlan(segment, view.mtu, portOf(observed?.links.get(segment.vxlan.name), fresh));
    if (vxlan.some(({ kind }) => kind === 'vxlan-add')) fresh.add(segment.vxlan.name);
    base.push(...vxlan);
  }
  return {
    base,
    ports: view.ports.flatMap((port) => planPort(port, view, portOf(observed?.links.get(port.inner.name), fresh))),
    leftovers: planLeftovers(view, observed),
    fresh,
  };
}

/** The link as it will be once new bridges have taken the place of what had their names. */
function portOf(has: ObservedLink | undefined, fresh: ReadonlySet<string>): ObservedLink | undefined {
  return has?.master !== undefined && fresh.has(has.master) ? { ...has, master: undefined } : has;
}

/** Why a vxlan device cannot be made into the wanted one, in words; undefined if it can (spec dataplane §9.2). */
export function vxlanMisfit(wanted: VxlanWish, has: ObservedVxlan | undefined): string | undefined {
  if (has === undefined) return 'it is no vxlan device';
  if (has.vni !== wanted.vni) return `its number is ${has.vni}, not ${wanted.vni}`;
  if (has.port !== wanted.port) return `its port is ${has.port}, not ${wanted.port}`;
  if (has.local !== wanted.local) return `its packets come from ${has.local ?? 'any address'}, not ${wanted.local}`;
  if (!has.isProxy) return 'it does not answer ARP';
  return undefined;
}

function planSysctls(observed: ObservedNamespace | undefined): OverlayOp[] {
  const ops: OverlayOp[] = [];
  for (const [key, value] of NAMESPACE_SYSCTLS) {
    const has = observed?.sysctls.get(key);
    // What a new namespace has is not known; a key that is in no old one is in no other either.
    if (has === value || (has === undefined && observed !== undefined)) continue;
    ops.push({ kind: 'sysctl-set', key, value });
  }
  return ops;
}

function planBridge({ bridge, gateway }: Segment, mtu: number, has: ObservedLink | undefined): OverlayOp[] {
  const ops: OverlayOp[] = [];
  const link = bridge.name;
  const usable = has?.kind === 'bridge' ? has : undefined;
  if (has !== undefined && usable === undefined) ops.push({ kind: 'link-delete', link, why: 'it is no bridge' });
  if (usable === undefined) ops.push({ kind: 'bridge-add', link, alias: bridge.alias, mtu });
  else ops.push(...planLabel(bridge, mtu, usable));
  if (!usable?.addresses.includes(gateway)) ops.push({ kind: 'address-add', link, address: gateway });
  if (!usable?.isUp) ops.push({ kind: 'link-up', link });
  for (const address of usable?.addresses ?? []) {
    if (address !== gateway) ops.push({ kind: 'address-delete', link, address });
  }
  return ops;
}

function planVxlan({ bridge, vxlan }: Segment, mtu: number, has: ObservedLink | undefined): OverlayOp[] {
  const ops: OverlayOp[] = [];
  const link = vxlan.name;
  const misfit = has && vxlanMisfit(vxlan, has.vxlan);
  const usable = misfit === undefined ? has : undefined;
  if (misfit !== undefined) ops.push({ kind: 'link-delete', link, why: misfit });
  if (usable === undefined) {
    const { alias, vni, port, local } = vxlan;
    ops.push({ kind: 'vxlan-add', link, alias, mtu, vni, port, local });
  } else {
    if (usable.vxlan?.isLearning) ops.push({ kind: 'vxlan-learning-off', link });
    ops.push(...planLabel(vxlan, mtu, usable));
  }
  if (usable?.master !== bridge.name) ops.push({ kind: 'link-master', link, master: bridge.name });
  if (!usable?.isUp) ops.push({ kind: 'link-up', link });
  return ops;
}

function planLabel({ name: link, alias }: NamedLink, mtu: number, has: ObservedLink): OverlayOp[] {
  const ops: OverlayOp[] = [];
  if (has.alias !== alias) ops.push({ kind: 'link-alias', link, alias });
  if (has.mtu !== mtu) ops.push({ kind: 'link-mtu', link, mtu });
  return ops;
}

function planPort(
  { inner, outer, endpoint, segment, container }: Port,
  view: OverlayView,
  has: ObservedLink | undefined,
) {
  const ops: OverlayOp[] = [];
  const link = inner.name;
  const { mtu } = view;
  const master = view.segments[segment]?.bridge.name;
  const usable = has?.kind === 'veth' ? has : undefined;
  if (has !== undefined && usable === undefined) ops.push({ kind: 'link-delete', link, why: 'it is no pair' });
  if (usable === undefined) {
    const { name, alias } = outer;
    const end = { link: container?.interfaceName ?? name, alias, mac: endpoint.mac };
    const pair = { link, alias: inner.alias, mtu, outer: end };
    ops.push(
      container === undefined
        ? { kind: 'pair-add', ...pair }
        : { kind: 'pair-restore', ...pair, ...placeOf(container) },
    );
  } else ops.push(...planLabel(inner, mtu, usable));
  if (master !== undefined && usable?.master !== master) ops.push({ kind: 'link-master', link, master });
  if (!usable?.isUp) ops.push({ kind: 'link-up', link });
  return ops;
}

function placeOf({ sandboxKey, address, routes }: ContainerWish): ContainerWish {
  return { sandboxKey, address, routes };
}

function planLeftovers(view: OverlayView, observed: ObservedNamespace | undefined): OverlayOp[] {
  const wanted = new Set([
    ...view.segments.flatMap(({ bridge, vxlan }) => [bridge.name, vxlan.name]),
    ...view.ports.map(({ inner }) => inner.name),
  ]);
  const ops: OverlayOp[] = [];
  for (const { name, alias } of observed?.links.values() ?? []) {
    if (wanted.has(name) || !isOurLink(name, alias)) continue;
    ops.push({ kind: 'link-delete', link: name, why: 'nothing wants it' });
  }
  return ops;
}
