import { neededUnderlayMtu } from '../overlay/mtu.ts';
import type { OverlayView } from '../overlay/view.ts';
import type { Winner } from '../overlay/winners.ts';
import type { GossipFacts, UnderlayFacts, WalkFacts } from './facts.ts';
import { type Hop, note, ok, wrong } from './hop.ts';
import { linkFault } from './link-fault.ts';

/** From this host to the other one: its route, and whether the other one lives. */
export function walkUnderlay({ underlay, gossip }: WalkFacts, { vtep, row }: Winner, view: OverlayView): Hop[] {
  return [underlayHop(underlay, vtep, view.mtu), nodeHop(gossip, row.owner, vtep)];
}

function underlayHop({ route, links, vtep: own }: UnderlayFacts, vtep: string, mtu: number): Hop {
  const mend = 'Mend the network of this host: packets of overlay networks go the ways of the host itself.';
  if (route === undefined) {
    const down = [...links.values()].find(
      (link) => link.addresses.some((one) => one.startsWith(`${own}/`)) && linkFault(link) !== undefined,
    );
    const why = down === undefined ? '' : `: ${down.name} ${linkFault(down)}`;
    return wrong('underlay', 'host', `this host has no route to ${vtep}${why}`, mend);
  }
  const { device = '', gateway, source } = route;
  const link = links.get(device);
  const text = `${vtep}${gateway === undefined ? '' : ` via ${gateway}`} dev ${device}, source ${source ?? 'none'}`;
  const fault = linkFault(link);
  if (link === undefined || fault !== undefined) return wrong('underlay', 'host', `${text}: ${device} ${fault}`, mend);
  const carries = Math.min(route.mtu ?? link.mtu, link.mtu);
  const needed = neededUnderlayMtu(mtu, vtep);
  if (carries < needed) {
    const found = `${text}: it carries ${carries} bytes, and full packets need ${needed}: they are cut into fragments, and lost where those are`;
    const option = `--opt com.docker.network.driver.mtu=${carries - (needed - mtu) + 50}`;
    return wrong('underlay', 'host', found, `Create the network with ${option}, or raise the MTU on the way.`);
  }
  if (source !== own)
    return note('underlay', 'host', `${text}, MTU ${carries}; the device sends from ${own} all the same`);
  return ok('underlay', 'host', `${text}, MTU ${carries} (needed ${needed})`);
}

function nodeHop({ peer }: GossipFacts, owner: string, vtep: string): Hop {
  if (peer === undefined) {
    const found = `node ${owner}, whose row leads to ${vtep}, is not known by gossip any more`;
    return wrong(
      'node',
      'gossip',
      found,
      'Its rows go when gossip has forgotten it; look whether the host still runs.',
    );
  }
  const seconds = Math.round(peer.sinceMs / 1000);
  const text = `node ${owner} at ${peer.address} is ${peer.state}`;
  const check = `Look at host ${vtep}: whether it runs, and whether UDP and TCP port 7946 and the data path port get through.`;
  if (peer.state !== 'alive') return wrong('node', 'gossip', `${text} for ${seconds} s`, check);
  if (peer.status !== 'active')
    return wrong('node', 'gossip', `${text}, and its rows do not count: ${peer.status ?? 'forgotten'}`, check);
  return ok('node', 'gossip', text);
}
