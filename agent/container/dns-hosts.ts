import type { ContainerSpec_DNSConfig } from '#proto/gen/swarmkit/types_pb.js';
import type { HostConfigBody } from './engine-bodies.ts';

/** Name servers, search domains and resolver options of the container. */
export function dnsOptions(
  dns: ContainerSpec_DNSConfig | undefined,
): Pick<HostConfigBody, 'Dns' | 'DnsSearch' | 'DnsOptions'> {
  if (dns === undefined) return {};
  return {
    ...(dns.nameservers.length > 0 && { Dns: dns.nameservers }),
    ...(dns.search.length > 0 && { DnsSearch: dns.search }),
    ...(dns.options.length > 0 && { DnsOptions: dns.options }),
  };
}

/**
 * The engine's `name:address` from hosts(5) lines, `address name [alias…]`: the first name only, and lines without one
 * dropped, as Docker's worker does (spec swarmkit-worker §4.9).
 */
export function extraHosts(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => {
    const [address, name] = line.split(/\s+/).filter((word) => word !== '');
    return address === undefined || name === undefined ? [] : [`${name}:${address}`];
  });
}
