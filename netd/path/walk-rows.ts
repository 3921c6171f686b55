import type { Segment } from '../overlay/view.ts';
import type { WantedWay } from '../overlay/wanted-way.ts';
import type { Refusal, Winner } from '../overlay/winners.ts';
import type { OverlayFacts, WalkFacts } from './facts.ts';
import { type Hop, ok, wrong } from './hop.ts';
import { linkFault } from './link-fault.ts';
import { BUILD_MEND, DRIFT_MEND } from './mends.ts';
import { portFault } from './walk-namespace.ts';

/** The way out of the namespace: the vxlan device, what the nodes say of the address, and what the kernel has of that. */
export function walkRows(facts: WalkFacts, way: WantedWay, overlay: OverlayFacts, segment: Segment): Hop[] {
  const hops = [vxlanHop(overlay, segment), rowHop(facts, way, overlay)];
  if (way.winner !== undefined)
    hops.push(neighbourHop(way.winner, overlay, segment), forwardingHop(way, way.winner, overlay, segment));
  return hops;
}

function vxlanHop({ links }: OverlayFacts, { vxlan, bridge }: Segment): Hop {
  const { name } = vxlan;
  const link = links.get(name);
  const fault = link === undefined || !link.isUp ? linkFault(link) : portFault(link, bridge.name);
  if (fault !== undefined) return wrong('vxlan', 'overlay', `the device ${name} ${fault}`, DRIFT_MEND);
  const has = link?.vxlan;
  if (has === undefined || has.vni !== vxlan.vni || has.port !== vxlan.port) {
    const is = has === undefined ? 'no vxlan device' : `number ${has.vni} on UDP port ${has.port}`;
    const found = `the device ${name} is ${is}, and should have number ${vxlan.vni} on UDP port ${vxlan.port}`;
    return wrong('vxlan', 'overlay', found, DRIFT_MEND);
  }
  if (vxlan.local !== undefined && has.local !== vxlan.local) {
    const found = `packets of ${name} come from ${has.local ?? 'any address'}, and the other nodes accept those from ${vxlan.local}`;
    return wrong('vxlan', 'overlay', found, DRIFT_MEND);
  }
  return ok(
    'vxlan',
    'overlay',
    `${name}: number ${has.vni}, UDP port ${has.port}, from ${has.local ?? 'what the routes choose'}, up`,
  );
}

const REFUSALS: Readonly<Record<Refusal, string>> = {
  'own-vtep': 'it leads to this host, which has no such container',
  'local-address': 'the address is one of this host',
  'outside-subnets': 'it is outside the subnets of the network',
  'wrong-family': 'it is no IPv4 address, or its host is of another family than ours',
  'bad-mac': 'its hardware address is none that an interface can have',
  'bad-vtep': 'its host address is none that a host can have',
};

/** Who says where the address is. */
function rowHop(
  { address, gossip }: WalkFacts,
  { winner, claims, hold }: WantedWay,
  { neighbours }: OverlayFacts,
): Hop {
  if (winner !== undefined) {
    const hosts = new Set(claims.filter(({ refusal }) => refusal === undefined).map(({ row }) => row.value.tunnelIp));
    const text = `${address} is at ${winner.mac} on host ${winner.vtep}, says node ${winner.row.owner}`;
    if (hosts.size <= 1) return ok('row', 'gossip', text);
    const found = `${text}, the latest; ${[...hosts].filter((one) => one !== winner.vtep).join(', ')} claims it too`;
    return wrong(
      'row',
      'gossip',
      found,
      'Two containers have one address: restart the one that should not, or whose node was cut off.',
    );
  }
  const [refused] = claims;
  if (refused?.refusal !== undefined) {
    const found = `node ${refused.row.owner} says that ${address} is on host ${refused.row.value.tunnelIp}; that is not followed: ${REFUSALS[refused.refusal]}`;
    return wrong('row', 'gossip', found, `Look at netd or Docker on node ${refused.row.owner}.`);
  }
  if (!gossip.isRunning) {
    return wrong(
      'row',
      'gossip',
      `there is no gossip, so nobody can say where ${address} is`,
      '"netd status" and "netd inspect gossip" say why.',
    );
  }
  const kept = neighbours.has(address)
    ? `; the kernel keeps an old way to it${hold === undefined ? '' : ` (${hold})`}`
    : '';
  if (hold === 'catching-up') {
    const found = `no node has said yet where ${address} is: this node has just begun to listen, and is still being told${kept}`;
    return wrong('row', 'gossip', found, 'Wait a minute; if it lasts, see "netd inspect gossip".');
  }
  const found = `no node says where ${address} is${kept}`;
  return wrong(
    'row',
    'gossip',
    found,
    'Nothing has the address, or its node is gone: see "docker service ps", and the peers in "netd inspect gossip".',
  );
}

function neighbourHop({ ip, mac }: Winner, { neighbours }: OverlayFacts, { vxlan }: Segment): Hop {
  const has = neighbours.get(ip);
  if (has === mac) return ok('neighbour-row', 'overlay', `${ip} at ${mac} on ${vxlan.name}`);
  const found =
    has === undefined
      ? `there is no neighbour row for ${ip} on ${vxlan.name}: nobody answers the container's question for it`
      : `the neighbour row on ${vxlan.name} says ${ip} at ${has}, and it is at ${mac}`;
  return wrong('neighbour-row', 'overlay', found, DRIFT_MEND);
}

function forwardingHop(
  { forwardTo }: WantedWay,
  { mac, vtep }: Winner,
  { forwardings }: OverlayFacts,
  { vxlan }: Segment,
): Hop {
  const has = forwardings.get(mac);
  if (forwardTo !== vtep) {
    const found = `${mac} is the hardware address of several addresses, and the latest is on host ${forwardTo}`;
    return wrong('forwarding-row', 'overlay', found, 'Give one of the containers another --mac-address.');
  }
  if (has === undefined) {
    const found = `there is no forwarding row for ${mac} on ${vxlan.name}: frames to it are dropped`;
    return wrong('forwarding-row', 'overlay', found, DRIFT_MEND);
  }
  if (has.vtep !== vtep) {
    const found = `the forwarding row on ${vxlan.name} sends ${mac} to host ${has.vtep}, and it is on ${vtep}`;
    return wrong('forwarding-row', 'overlay', found, DRIFT_MEND);
  }
  if (!has.isStatic) {
    return wrong(
      'forwarding-row',
      'overlay',
      `${mac} to ${vtep} on ${vxlan.name} is only learned, and will age`,
      BUILD_MEND,
    );
  }
  return ok('forwarding-row', 'overlay', `${mac} to host ${vtep} on ${vxlan.name}`);
}
