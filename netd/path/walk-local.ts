import type { OverlayView, Segment } from '../overlay/view.ts';
import type { WantedWay } from '../overlay/wanted-way.ts';
import type { OverlayFacts, WalkFacts } from './facts.ts';
import { type Hop, ok, wrong } from './hop.ts';
import { linkFault } from './link-fault.ts';
import { DRIFT_MEND, insideMend } from './mends.ts';
import { portHop } from './walk-namespace.ts';

/** The address is one of this host: the rest of the way is another port of the bridge, and the container behind it. */
export function walkLocal(
  { address, target }: WalkFacts,
  { local }: WantedWay,
  view: OverlayView,
  { links, neighbours }: OverlayFacts,
  segment: Segment,
): Hop[] {
  if (local === undefined) return [];
  const hops = [ok('row', 'overlay', `${address} is on this host`)];
  const stale = neighbours.get(address);
  if (stale !== undefined) {
    const found = `${segment.vxlan.name} answers for ${address} with ${stale}, and takes its packets away from the container here`;
    hops.push(wrong('neighbour-row', 'overlay', found, DRIFT_MEND));
  }
  const port = view.ports.find(({ endpoint }) => endpoint.endpointId === local.endpointId);
  if (port !== undefined) hops.push(portHop('target-port', links, port.inner.name, segment.bridge.name, local.address));
  return [...hops, interfaceHop(target, local)];
}

function interfaceHop(
  target: WalkFacts['target'],
  { sandboxKey = '', interfaceName, address }: NonNullable<WantedWay['local']>,
): Hop {
  if (target === undefined) {
    return wrong(
      'target-interface',
      'target',
      `the namespace ${sandboxKey} of its container is gone`,
      'The container has ended; its address is given up within half a minute.',
    );
  }
  if (interfaceName === undefined) {
    const mend = 'Wait for the start of the container to end; the log of the engine says more.';
    return wrong('target-interface', 'target', 'the engine has not given the container its interface yet', mend);
  }
  const link = target.links.get(interfaceName);
  const fault = linkFault(link);
  if (link === undefined || fault !== undefined) {
    return wrong(
      'target-interface',
      'target',
      `its interface ${interfaceName} ${fault}`,
      insideMend(sandboxKey, `ip link set ${interfaceName} up`),
    );
  }
  if (!link.addresses.includes(address)) {
    return wrong(
      'target-interface',
      'target',
      `its interface ${interfaceName} lacks the address ${address}`,
      insideMend(sandboxKey, `ip address add ${address} dev ${interfaceName}`),
    );
  }
  return ok('target-interface', 'target', `${interfaceName}: ${address}, ${link.mac}, up`);
}
