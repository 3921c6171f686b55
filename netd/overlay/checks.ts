import { neededUnderlayMtu } from './mtu.ts';
import { overlap, parseCidr } from './subnets.ts';
import type { OverlayView, Underlay } from './view.ts';

/** Something about a network that an operator should know; it is said in words that name the thing and the mend. */
export interface Finding {
  readonly level: 'error' | 'warning';
  readonly code:
    | 'subnet-overlaps-route'
    | 'underlay-mtu'
    | 'vtep-not-local'
    | 'vxlan-clash'
    | 'duplicate-address'
    | 'bad-endpoint'
    | 'not-built';
  readonly text: string;
}

/** What the host looks like around an overlay network. */
export interface HostFacts {
  readonly routes: readonly HostRoute[];
  /** Device that has the VTEP's address; undefined if none has. */
  readonly underlay: { readonly link: string; readonly mtu: number } | undefined;
}

export interface HostRoute {
  /** `10.0.0.0/8`; default routes are not asked about. */
  readonly destination: string;
  readonly link: string | undefined;
}

/** What the host says against this network; none of it keeps the network from being built. */
export function checkHost(view: OverlayView, host: HostFacts, { vtep }: Underlay): Finding[] {
  const findings: Finding[] = [];
  for (const { subnet, cidr } of view.segments) {
    for (const route of host.routes) {
      const destination = parseCidr(route.destination);
      if (destination === undefined || destination.length === 0 || !overlap(cidr, destination)) continue;
      const where = `route ${route.destination}${route.link === undefined ? '' : ` dev ${route.link}`} of this host`;
      const text = `its subnet ${subnet} overlaps the ${where}: containers on it cannot reach what is there; choose another subnet`;
      findings.push({ level: 'warning', code: 'subnet-overlaps-route', text });
    }
  }
  if (host.underlay === undefined) {
    const text = `the data path address ${vtep} is no address of this host; packets are sent from whatever the routes choose`;
    findings.push({ level: 'warning', code: 'vtep-not-local', text });
  } else {
    const needed = neededUnderlayMtu(view.mtu, vtep);
    const { link, mtu } = host.underlay;
    if (mtu < needed) {
      const mend = `create the network with --opt com.docker.network.driver.mtu=${mtu - (needed - view.mtu) + 50}`;
      const text = `full packets need ${needed} bytes on the way between hosts, and ${link} carries ${mtu}: they are cut into fragments, and lost where those are; ${mend}`;
      findings.push({ level: 'warning', code: 'underlay-mtu', text });
    }
  }
  return findings;
}

/** A vxlan device somewhere on this host that may stand in the way of one of ours. */
export interface ForeignVxlan {
  readonly link: string;
  /** Path of the namespace it is in; undefined for the host's own. */
  readonly namespace: string | undefined;
  readonly vni: number;
  readonly port: number;
}

/** Names the device that has a number and port we need, for the EEXIST the kernel answers with. */
export function clashOf(
  wanted: { readonly vni: number; readonly port: number },
  others: readonly ForeignVxlan[],
): string {
  const number = `VXLAN number ${wanted.vni} on UDP port ${wanted.port}`;
  const other = others.find(({ vni, port }) => vni === wanted.vni && port === wanted.port);
  if (other === undefined) return `${number} is taken on this host by a device that netd does not find`;
  const where = other.namespace === undefined ? 'the namespace of the host' : `namespace ${other.namespace}`;
  return `${number} is taken on this host by the device ${other.link} in ${where}`;
}
