import type { DesiredNetwork, DesiredSubnet } from '../desired.ts';
import type { LocalEndpoint } from './endpoint.ts';
import { overlayMtu } from './mtu.ts';
import { linkAlias, linkName, namespaceName } from './names.ts';
import type { ContainerWish, VxlanWish } from './op.ts';
import { type Cidr, ipv4Number, parseCidr, siblingRoutes, subnetIndex } from './subnets.ts';

/** How one network is to look in the kernel of this node, but for the rows of others (spec dataplane §1.2). */
export interface OverlayView {
  readonly networkId: string;
  /** Below RUNDIR/netns. */
  readonly namespace: string;
  readonly mtu: number;
  readonly segments: readonly Segment[];
  readonly ports: readonly Port[];
}

/** One subnet: a bridge with the gateway's address, and a vxlan device as its port to the other nodes. */
export interface Segment {
  readonly subnet: string;
  readonly cidr: Cidr;
  /** With prefix length. */
  readonly gateway: string;
  readonly bridge: NamedLink;
  readonly vxlan: NamedLink & VxlanWish;
}

export interface NamedLink {
  readonly name: string;
  readonly alias: string;
}

/** A joined endpoint: one end of a pair is a port of its segment's bridge, the other is the container's. */
export interface Port {
  readonly endpoint: LocalEndpoint;
  readonly segment: number;
  readonly inner: NamedLink;
  readonly outer: NamedLink;
  /** Where the container's end belongs, once the engine has moved it there. */
  readonly container: (ContainerWish & { readonly interfaceName: string }) | undefined;
}

/** Where packets of this node come from. */
export interface Underlay {
  readonly vtep: string;
  readonly dataPathPort: number;
  /** The VTEP is an address of this host; otherwise a router in front translates it to one that the routes choose. */
  readonly isLocal: boolean;
}

/** @returns the view, or in words why this network cannot be built here */
export function viewOf(
  network: DesiredNetwork,
  endpoints: readonly LocalEndpoint[],
  underlay: Underlay,
): OverlayView | string {
  if (network.encrypted) return 'encrypted overlay networks are not supported yet';
  const mtu = overlayMtu(network.underlayMtu, network.encrypted);
  if (mtu === undefined)
    return `the option com.docker.network.driver.mtu=${network.underlayMtu} leaves no room for IPv4`;
  if (network.subnets.length === 0) return 'it has no IPv4 subnet';
  const segments: Segment[] = [];
  for (const [index, { subnet, gateway, vni }] of network.subnets.entries()) {
    const cidr = parseCidr(subnet);
    if (cidr === undefined || cidr.length === 0) return `its subnet ${subnet} is not an IPv4 subnet`;
    if (ipv4Number(gateway) === undefined) return `the gateway ${gateway} of ${subnet} is not an IPv4 address`;
    if (!Number.isInteger(vni) || vni < 0 || vni >= 2 ** 24) return `its VXLAN number ${vni} does not fit 24 bits`;
    const { vtep, dataPathPort, isLocal } = underlay;
    segments.push({
      subnet,
      cidr,
      gateway: `${gateway}/${cidr.length}`,
      bridge: named(network.id, { kind: 'bridge', subnet: index }),
      vxlan: {
        ...named(network.id, { kind: 'vxlan', subnet: index }),
        vni,
        port: dataPathPort,
        local: isLocal ? vtep : undefined,
      },
    });
  }
  const cidrs = segments.map(({ cidr }) => cidr);
  const ports = endpoints.flatMap((endpoint) => portOf(endpoint, cidrs, network.subnets) ?? []);
  return { networkId: network.id, namespace: namespaceName(network.id), mtu, segments, ports };
}

/** Addresses that live here, and that no row of another node may lead away: of endpoints, gateways, the load balancer. */
export function localAddresses(network: DesiredNetwork, endpoints: readonly LocalEndpoint[]): Set<string> {
  const local = new Set(network.subnets.map(({ gateway }) => gateway));
  for (const { address, sandboxKey } of endpoints) if (sandboxKey !== undefined) local.add(plain(address));
  if (network.loadBalancerAddress !== undefined) local.add(plain(network.loadBalancerAddress));
  return local;
}

function portOf(endpoint: LocalEndpoint, cidrs: readonly Cidr[], subnets: readonly DesiredSubnet[]): Port | undefined {
  if (endpoint.sandboxKey === undefined) return undefined;
  const address = parseCidr(endpoint.address);
  const segment = address && subnetIndex(cidrs, address.address, address.length);
  if (segment === undefined) return undefined;
  const { networkId, endpointId, sandboxKey, interfaceName } = endpoint;
  const { address: own } = endpoint;
  const routes = siblingRoutes(subnets, segment);
  return {
    endpoint,
    segment,
    inner: named(networkId, { kind: 'port', endpointId }),
    outer: named(networkId, { kind: 'container', endpointId }),
    container: interfaceName === undefined ? undefined : { interfaceName, sandboxKey, address: own, routes },
  };
}

function named(networkId: string, role: Parameters<typeof linkName>[1]): NamedLink {
  return { name: linkName(networkId, role), alias: linkAlias(networkId, role) };
}

function plain(address: string): string {
  return address.split('/')[0] ?? '';
}
