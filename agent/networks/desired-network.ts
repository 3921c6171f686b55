import type { DesiredNetwork, DesiredSubnet } from '#netd/desired.ts';
import { IPAMConfig_AddressFamily as Family, type Network } from '#proto/gen/swarmkit/types_pb.js';

/** VXLAN numbers of the network, decimal, with commas between them: one for each IPv4 subnet, in order (spec dataplane §1.1). */
const VNI_LIST_OPTION = 'com.docker.network.driver.overlay.vxlanid_list';
const MTU_OPTION = 'com.docker.network.driver.mtu';
const ENCRYPTED_OPTION = 'encrypted';
/** How swarms made by very old managers mark the routing mesh (spec swarmkit-worker §5.3). */
const INTERNAL_LABEL = 'com.docker.swarm.internal';

export function isOverlay(network: Network | undefined): network is Network {
  return network?.driverState?.name === 'overlay';
}

export function isIngress(network: Network): boolean {
  const { annotations, ingress = false } = network.spec ?? {};
  return ingress || (annotations?.name === 'ingress' && annotations.labels[INTERNAL_LABEL] !== undefined);
}

/**
 * An overlay network out of the manager's description of it.
 *
 * @param loadBalancerAddress of this node there, with prefix length; undefined until the manager has given one
 * @returns in words why, if the description cannot be made sense of
 */
export function desiredNetwork(network: Network, loadBalancerAddress: string | undefined): DesiredNetwork | string {
  const options = network.driverState?.options ?? {};
  const subnets = subnetsOf(network, options[VNI_LIST_OPTION] ?? '');
  if (typeof subnets === 'string') return subnets;
  const mtu = options[MTU_OPTION];
  if (mtu !== undefined && !/^\d{1,5}$/.test(mtu)) return `the option ${MTU_OPTION}=${mtu} is not a number of bytes`;
  const { spec } = network;
  return {
    id: network.id,
    name: spec?.annotations?.name ?? '',
    subnets,
    underlayMtu: mtu === undefined ? undefined : Number(mtu),
    internal: spec?.internal ?? false,
    attachable: spec?.attachable ?? false,
    ingress: isIngress(network),
    encrypted: options[ENCRYPTED_OPTION] !== undefined,
    loadBalancerAddress,
  };
}

function subnetsOf(network: Network, vniList: string): readonly DesiredSubnet[] | string {
  const vnis = vniList === '' ? [] : vniList.split(',');
  const ipv4 = (network.ipam?.configs ?? []).filter(({ family, subnet }) =>
    family === Family.UNKNOWN ? !subnet.includes(':') : family === Family.IPV4,
  );
  if (ipv4.length === 0) return 'it has no IPv4 subnet';
  if (vnis.length < ipv4.length) {
    return `it has ${ipv4.length} subnets, and the manager gave ${vnis.length} VXLAN numbers`;
  }
  const subnets: DesiredSubnet[] = [];
  for (const [index, { subnet, gateway }] of ipv4.entries()) {
    const vni = vnis[index] ?? '';
    if (!/^\d{1,8}$/.test(vni) || Number(vni) >= 2 ** 24) return `its VXLAN number ${vni} is not a number of 24 bits`;
    // Some managers write the gateway with the prefix length of its subnet.
    subnets.push({ subnet, gateway: gateway.split('/')[0] ?? '', vni: Number(vni) });
  }
  return subnets;
}
