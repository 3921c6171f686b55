import type { WalkFacts } from './facts.ts';
import { type Hop, note, ok, type Walk, wrong } from './hop.ts';
import { BUILD_MEND, DRIFT_MEND } from './mends.ts';
import { plain, segmentOf } from './subnet.ts';
import { walkContainer } from './walk-container.ts';
import { walkLocal } from './walk-local.ts';
import { walkNamespace } from './walk-namespace.ts';
import { walkRows } from './walk-rows.ts';
import { walkUnderlay } from './walk-underlay.ts';

/**
 * The way from a container to an address, hop by hop: what was found in the kernel against what rows and endpoints want. Hops
 * that cannot be looked at, because something before them is not there, are left out.
 */
export function walk(facts: WalkFacts): Walk {
  const { address, network, gossip } = facts;
  return { address, names: gossip.names, network: network?.name ?? null, hops: hopsOf(facts) };
}

function hopsOf(facts: WalkFacts): Hop[] {
  const { network, way, overlay } = facts;
  if (network === undefined) return [noNetwork(facts)];
  if (plain(network.endpoint.address) === facts.address) {
    return [ok('network', 'container', `${facts.address} is the container's own address on network ${network.name}`)];
  }
  const hops = [...serviceHop(facts), ...walkContainer(facts, network)];
  const view = way?.view;
  if (way === undefined || view === undefined || typeof view === 'string') {
    const why = view ?? 'netd has not built it yet';
    return [...hops, wrong('namespace', 'overlay', `network ${network.name} cannot be used here: ${why}`, BUILD_MEND)];
  }
  if (overlay === undefined) {
    return [
      ...hops,
      wrong('namespace', 'overlay', `the namespace ${way.path} of network ${network.name} is gone`, DRIFT_MEND),
    ];
  }
  const segment = segmentOf(view, facts.address);
  if (segment === undefined) return hops;
  hops.push(...walkNamespace(facts, network, way, view, overlay, segment));
  // A virtual address has no host to go to: nothing beyond here is about it.
  if (facts.gossip.service !== undefined) return hops;
  const gateway = segment.gateway.split('/')[0];
  if (facts.address === gateway)
    return [...hops, ok('row', 'overlay', 'the address is the gateway: the bridge of this host answers')];
  if (way.local !== undefined) return [...hops, ...walkLocal(facts, way, view, overlay, segment)];
  hops.push(...walkRows(facts, way, overlay, segment));
  if (way.winner !== undefined) hops.push(...walkUnderlay(facts, way.winner, view));
  return hops;
}

function noNetwork({ address, origin, elsewhere }: WalkFacts): Hop {
  const on = origin.networks.map(({ name, subnets }) => `${name} (${subnets.map(({ subnet }) => subnet).join(', ')})`);
  const found = `${address} is in no network of ${origin.name}, which is on ${on.join(' and ') || 'none'}`;
  const [other] = elsewhere;
  if (other === undefined) {
    return note('network', 'container', `${found}; it leaves by the way out of the container, which is not netd's`);
  }
  return wrong(
    'network',
    'container',
    `${found}; it belongs to network ${elsewhere.join(', ')}`,
    `Put both on one network: attach the service of ${origin.name} to ${other}.`,
  );
}

function serviceHop({ address, gossip }: WalkFacts): Hop[] {
  const { service } = gossip;
  if (service === undefined) return [];
  const tasks = service.tasks.map(({ name, ip }) => `${name} at ${ip}`).join(', ');
  const found = `${address} is the virtual address of service ${service.name}, behind it ${tasks || 'no task'}; balancing is not there yet in this netd, so nobody answers to it here`;
  const mend = `Use tasks.${service.name}, or make the service with --endpoint-mode dnsrr.`;
  return [wrong('service', 'gossip', found, mend)];
}
