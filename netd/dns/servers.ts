import type { ResolverPorts } from './engine-resolver.ts';

/** A server a container's questions may be sent to, and the namespace they are sent from. */
export interface Upstream {
  readonly address: string;
  readonly from: 'host' | 'container';
  /** 53 for both where it is absent. */
  readonly ports?: ResolverPorts;
}

/** Where a container's servers come from. */
export type ServerSource =
  /** `--dns` or the daemon's setting: reached as the container reaches them. */
  | { readonly kind: 'explicit'; readonly addresses: readonly string[] }
  /** The host's resolv.conf: reached as the host reaches them. */
  | { readonly kind: 'host' };

export interface ServerFacts {
  readonly source: ServerSource;
  /** Of the host's resolv.conf. */
  readonly hostServers: readonly string[];
  /** No network of the container leads outside: what it asks must not leave through the host either. */
  readonly internalOnly: boolean;
  /** The engine's resolver in the container, for names it alone knows; it knows where else to ask as well. */
  readonly engine?: ResolverPorts | undefined;
}

/** Servers tried for a question, in order (spec dataplane §6.7). */
const MAX_UPSTREAMS = 3;

/** The resolver itself: forwarding there would go round in a circle. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/**
 * The servers for a container's questions, in the order they are tried: Docker 28's choice. None means that every
 * forwarded question fails at once.
 */
export function upstreamsOf({ engine, ...facts }: ServerFacts): readonly Upstream[] {
  const others = serversOf(facts);
  if (engine === undefined) return others;
  return [{ address: RESOLVER_ADDRESS, from: 'container', ports: engine }, ...others.slice(0, MAX_UPSTREAMS - 1)];
}

function serversOf({ source, hostServers, internalOnly }: ServerFacts): readonly Upstream[] {
  const isExplicit = source.kind === 'explicit' && source.addresses.length > 0;
  if (!isExplicit && internalOnly) return [];
  const addresses = isExplicit ? source.addresses : hostServers;
  const from = isExplicit ? 'container' : 'host';
  return addresses
    .filter((address) => !leadsBack(address))
    .slice(0, MAX_UPSTREAMS)
    .map((address) => ({ address, from }));
}

/** Also as IPv6 writes it. */
function leadsBack(address: string): boolean {
  return address === RESOLVER_ADDRESS || address.toLowerCase() === `::ffff:${RESOLVER_ADDRESS}`;
}
