import type { StaticRoute } from './subnets.ts';

// What a pass does to the kernel, as values. The text form is the command a person would type in the namespace of the network:
// the log line, `netd inspect drift` and the expectations of the tests are the same.

/** One change. Links go by name; all happen in the namespace of the network but for the outer end of a pair. */
export type OverlayOp =
  | { readonly kind: 'namespace-add'; readonly namespace: string }
  /** It exists, and its name does not lead to it any more. */
  | { readonly kind: 'namespace-name'; readonly namespace: string }
  /** Value of a file below /proc/sys, with slashes. */
  | { readonly kind: 'sysctl-set'; readonly key: string; readonly value: string }
  | { readonly kind: 'bridge-add'; readonly link: string; readonly alias: string; readonly mtu: number }
  | ({ readonly kind: 'vxlan-add'; readonly link: string; readonly alias: string; readonly mtu: number } & VxlanWish)
  | ({ readonly kind: 'pair-add'; readonly link: string; readonly alias: string } & PairWish)
  /** A pair anew for a container that runs: its end goes where the engine had put it, with all the engine gave it. */
  | ({ readonly kind: 'pair-restore'; readonly link: string; readonly alias: string } & PairWish & ContainerWish)
  | { readonly kind: 'link-delete'; readonly link: string; readonly why: string }
  | SetOp
  | { readonly kind: 'address-add'; readonly link: string; readonly address: string }
  | { readonly kind: 'address-delete'; readonly link: string; readonly address: string }
  | RowOp;

/** Changes of a link that is there. */
export type SetOp =
  | { readonly kind: 'link-alias'; readonly link: string; readonly alias: string }
  | { readonly kind: 'link-mtu'; readonly link: string; readonly mtu: number }
  | { readonly kind: 'link-master'; readonly link: string; readonly master: string }
  | { readonly kind: 'link-up'; readonly link: string }
  | { readonly kind: 'vxlan-learning-off'; readonly link: string };

/** Changes of the two tables of a vxlan device, and of what its bridge has learned. */
export type RowOp =
  | { readonly kind: 'neighbour-replace'; readonly link: string; readonly ip: string; readonly mac: string }
  | { readonly kind: 'neighbour-delete'; readonly link: string; readonly ip: string }
  | { readonly kind: 'fdb-replace'; readonly link: string; readonly mac: string; readonly vtep: string }
  | { readonly kind: 'fdb-delete'; readonly link: string; readonly mac: string; readonly vtep: string }
  | { readonly kind: 'learned-delete'; readonly link: string; readonly mac: string };

export interface VxlanWish {
  readonly vni: number;
  /** UDP port. */
  readonly port: number;
  /** Source of outer packets; undefined leaves it to the routes, where our VTEP is no address of this host. */
  readonly local: string | undefined;
}

export interface PairWish {
  readonly mtu: number;
  /** The end that waits in the namespace of the host for the engine to move it into the container. */
  readonly outer: { readonly link: string; readonly alias: string; readonly mac: string };
}

export interface ContainerWish {
  /** The container's namespace, a path. */
  readonly sandboxKey: string;
  /** With prefix length. */
  readonly address: string;
  readonly routes: readonly StaticRoute[];
}

export function opText(op: OverlayOp): string {
  switch (op.kind) {
    case 'namespace-add':
      return `ip netns add ${op.namespace}`;
    case 'namespace-name':
      return `ip netns attach ${op.namespace}`;
    case 'sysctl-set':
      return `sysctl ${op.key.replaceAll('/', '.')}=${op.value}`;
    case 'bridge-add':
      return `ip link add ${op.link} mtu ${op.mtu} type bridge`;
    case 'vxlan-add': {
      const local = op.local === undefined ? '' : ` local ${op.local}`;
      return `ip link add ${op.link} mtu ${op.mtu} type vxlan id ${op.vni} dstport ${op.port}${local} nolearning proxy`;
    }
    case 'pair-add':
      return `ip link add ${op.link} mtu ${op.mtu} type veth peer ${op.outer.link} address ${op.outer.mac}`;
    case 'pair-restore':
      return `ip link add ${op.link} mtu ${op.mtu} type veth peer ${op.outer.link} netns ${op.sandboxKey}`;
    case 'link-delete':
      return `ip link delete ${op.link} (${op.why})`;
    case 'link-alias':
      return `ip link set ${op.link} alias "${op.alias}"`;
    case 'link-mtu':
      return `ip link set ${op.link} mtu ${op.mtu}`;
    case 'link-master':
      return `ip link set ${op.link} master ${op.master}`;
    case 'link-up':
      return `ip link set ${op.link} up`;
    case 'vxlan-learning-off':
      return `ip link set ${op.link} type vxlan nolearning`;
    case 'address-add':
      return `ip address add ${op.address} dev ${op.link}`;
    case 'address-delete':
      return `ip address delete ${op.address} dev ${op.link}`;
    case 'neighbour-replace':
      return `ip neighbour replace ${op.ip} lladdr ${op.mac} dev ${op.link} nud permanent`;
    case 'neighbour-delete':
      return `ip neighbour delete ${op.ip} dev ${op.link}`;
    case 'fdb-replace':
      return `bridge fdb replace ${op.mac} dev ${op.link} dst ${op.vtep} self permanent`;
    case 'fdb-delete':
      return `bridge fdb delete ${op.mac} dev ${op.link} dst ${op.vtep} self`;
    case 'learned-delete':
      return `bridge fdb delete ${op.mac} dev ${op.link} master`;
  }
}

/** True for what can take a way away from a packet. A restart that finds all well plans none of these. */
export function isDestructive(op: OverlayOp): boolean {
  return op.kind.endsWith('-delete') && op.kind !== 'learned-delete';
}
