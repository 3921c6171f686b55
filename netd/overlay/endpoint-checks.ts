import { NetdError } from '#base/errors.ts';
import type { DesiredNetwork } from '../desired.ts';
import { addressOf, type LocalEndpoint } from './endpoint.ts';
import { isUnicastMac, macOfIp } from './mac.ts';
import { isHostAddress, parseCidr, subnetIndex } from './subnets.ts';

export interface EndpointWish {
  /** The swarm's id. */
  readonly networkId: string;
  /** The engine's id: 64 hex digits. */
  readonly endpointId: string;
  /** With the prefix length of its subnet: `10.0.1.5/24`. */
  readonly address: string;
  /** Lower-case colon form; follows from the address unless given. */
  readonly mac?: string | undefined;
}

/**
 * The endpoint a wish comes to.
 *
 * @param others endpoints of the same network
 * @throws NetdError `bad-endpoint` that says what is wrong with which value
 */
export function checkEndpoint(
  wish: EndpointWish,
  network: DesiredNetwork,
  others: readonly LocalEndpoint[],
): LocalEndpoint {
  const { networkId, endpointId, address } = wish;
  const subnets = network.subnets.map(({ subnet }) => subnet);
  const bad = (text: string) =>
    new NetdError('bad-endpoint', `endpoint ${endpointId} of network ${network.name}: ${text}`);
  const cidr = parseCidr(address);
  if (cidr === undefined) throw bad(`${JSON.stringify(address)} is not an IPv4 address with prefix length`);
  const cidrs = subnets.flatMap((subnet) => parseCidr(subnet) ?? []);
  const index = subnetIndex(cidrs, cidr.address, cidr.length);
  const subnet = index === undefined ? undefined : cidrs[index];
  if (subnet === undefined) throw bad(`${address} is in none of its subnets (${subnets.join(', ')})`);
  if (!isHostAddress(subnet, cidr.address))
    throw bad(`${address} is the address of the subnet itself, or of all in it`);
  const ip = addressOf(wish);
  if (network.subnets.some(({ gateway }) => gateway === ip)) throw bad(`${ip} is a gateway of the network`);
  const mac = (wish.mac ?? macOfIp(ip)).toLowerCase();
  if (!isUnicastMac(mac)) throw bad(`${wish.mac} is no hardware address an interface can have`);
  const twin = others.find(
    (other) => other.endpointId !== endpointId && other.sandboxKey !== undefined && addressOf(other) === ip,
  );
  if (twin !== undefined) throw bad(`${ip} is the address of endpoint ${twin.endpointId} already`);
  return { networkId, endpointId, address, mac, sandboxKey: undefined };
}
