import type { OverlayView, Segment } from '../overlay/view.ts';
import type { WantedWay } from '../overlay/wanted-way.ts';
import type { Links, OriginNetwork, OverlayFacts, PathLink, WalkFacts } from './facts.ts';
import { type Hop, type HopStep, ok, wrong } from './hop.ts';
import { linkFault } from './link-fault.ts';
import { DRIFT_MEND } from './mends.ts';
import { segmentOf } from './subnet.ts';

/** The namespace of the network: the port of the container, its bridge, and how one gets to the subnet of the address. */
export function walkNamespace(
  { address }: WalkFacts,
  { endpoint, name }: OriginNetwork,
  { path }: WantedWay,
  view: OverlayView,
  { links, forwardsIpv4 }: OverlayFacts,
  segment: Segment,
): Hop[] {
  const hops = [ok('namespace', 'overlay', `network ${name}: namespace ${path}`)];
  const port = view.ports.find((one) => one.endpoint.endpointId === endpoint.endpointId);
  const home = view.segments[port?.segment ?? -1] ?? segmentOf(view, address);
  if (port !== undefined && home !== undefined) {
    hops.push(portHop('port', links, port.inner.name, home.bridge.name, endpoint.address));
    hops.push(bridgeHop(links, home));
  }
  if (home === undefined || home === segment) return hops;
  // The sending node routes between the subnets of one network.
  const text = `from ${home.subnet} to ${segment.subnet} in the namespace of the network`;
  if (forwardsIpv4) hops.push(ok('routing', 'overlay', `routed ${text}`));
  else hops.push(wrong('routing', 'overlay', `nothing is routed ${text}: net.ipv4.ip_forward is 0`, DRIFT_MEND));
  hops.push(bridgeHop(links, segment));
  return hops;
}

export function portHop(step: HopStep, links: Links, name: string, bridge: string, whose: string): Hop {
  const link = links.get(name);
  const fault = linkFault(link) ?? portFault(link, bridge);
  if (fault !== undefined) return wrong(step, 'overlay', `the port ${name} of ${whose} ${fault}`, DRIFT_MEND);
  return ok(step, 'overlay', `${name}, port of ${bridge}, up`);
}

export function portFault(link: PathLink | undefined, bridge: string): string | undefined {
  if (link === undefined || link.master === bridge) return undefined;
  return link.master === undefined ? `is no port of ${bridge}` : `is a port of ${link.master}, not of ${bridge}`;
}

function bridgeHop(links: Links, { bridge, gateway }: Segment): Hop {
  const link = links.get(bridge.name);
  // A bridge has no carrier while none of its ports has: then the port is what is wrong.
  const fault = link === undefined || !link.isUp ? linkFault(link) : undefined;
  if (fault !== undefined) return wrong('bridge', 'overlay', `the bridge ${bridge.name} ${fault}`, DRIFT_MEND);
  if (!link?.addresses.includes(gateway)) {
    return wrong(
      'bridge',
      'overlay',
      `the bridge ${bridge.name} lacks the address ${gateway} of the gateway`,
      DRIFT_MEND,
    );
  }
  return ok('bridge', 'overlay', `${bridge.name}: ${gateway}, up`);
}
