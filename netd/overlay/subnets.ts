import type { DesiredSubnet } from '../desired.ts';

// IPv4 arithmetic, and which subnet of a network an address belongs to (spec dataplane §1.8).

/** An address with a prefix length, as numbers. */
export interface Cidr {
  readonly address: number;
  readonly length: number;
}

/** `10.0.1.5` as an unsigned number, or undefined if it is not plain dotted decimal. */
export function ipv4Number(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    // Leading zeros are octal to some readers.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function ipv4Text(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');
}

/** `10.0.1.5/24`; undefined if it is not that. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const address = ipv4Number(text.slice(0, Math.max(0, slash)));
  const length = text.slice(slash + 1);
  if (slash < 0 || address === undefined || !/^(0|[1-9]\d?)$/.test(length) || Number(length) > 32) return undefined;
  return { address, length: Number(length) };
}

/** The address with all host bits cleared. */
export function networkOf({ address, length }: Cidr): number {
  return length === 0 ? 0 : (address & (0xffffffff << (32 - length))) >>> 0;
}

export function contains(subnet: Cidr, address: number): boolean {
  return networkOf({ address, length: subnet.length }) === networkOf(subnet);
}

export function overlap(a: Cidr, b: Cidr): boolean {
  const length = Math.min(a.length, b.length);
  return networkOf({ address: a.address, length }) === networkOf({ address: b.address, length });
}

/** Index of the subnet that has this prefix length and contains the address; an address elsewhere belongs to none. */
export function subnetIndex(subnets: readonly Cidr[], address: number, length: number): number | undefined {
  const index = subnets.findIndex((subnet) => subnet.length === length && contains(subnet, address));
  return index < 0 ? undefined : index;
}

/** An address that an endpoint of the subnet can have: not its network or broadcast address, where those exist (RFC 3021). */
export function isHostAddress(subnet: Cidr, address: number): boolean {
  if (subnet.length >= 31) return true;
  const network = networkOf(subnet);
  return address !== network && address !== network + 2 ** (32 - subnet.length) - 1;
}

/** A route a container needs to reach another subnet of its network. */
export interface StaticRoute {
  readonly destination: string;
  readonly nextHop: string;
}

/** Each other subnet by the gateway of one's own: the sending node routes between the subnets (spec dataplane §1.8). */
export function siblingRoutes(subnets: readonly DesiredSubnet[], own: number): StaticRoute[] {
  const nextHop = subnets[own]?.gateway;
  if (nextHop === undefined) return [];
  return subnets.filter((_, index) => index !== own).map(({ subnet }) => ({ destination: subnet, nextHop }));
}
