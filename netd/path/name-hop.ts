import type { Explanation } from '../dns/explain.ts';
import type { Origin } from './facts.ts';
import { type Hop, note, ok, wrong } from './hop.ts';
import type { NamedAddress } from './who.ts';

export interface Resolved {
  readonly name: Hop;
  readonly addresses: readonly string[];
}

/**
 * What the resolver of the container says to a name, and what addresses to go on with.
 *
 * @param explanation undefined if no resolver of netd serves the container
 * @param elsewhere addresses of what is called so on the networks of this host, whoever asks
 * @returns undefined if nobody knows the name
 */
export function nameHop(
  asked: string,
  origin: Origin,
  explanation: Explanation | undefined,
  elsewhere: readonly NamedAddress[],
): Resolved | undefined {
  const known = elsewhere.map(({ address }) => address);
  if (explanation === undefined) {
    if (known.length === 0) return undefined;
    const found = `no resolver of netd serves ${origin.name}: its engine's does not know the names of the swarm`;
    return {
      name: wrong('name', 'container', found, '"netd inspect dns" says why; netd keeps trying.'),
      addresses: known,
    };
  }
  const { outcome } = explanation;
  const searched = explanation.searched.join(', ') || 'none';
  if (outcome.kind === 'addresses') {
    const addresses = outcome.addresses.map(({ address }) => address);
    const text = `${asked} is ${addresses.join(', ')}, by network ${outcome.network} (searched: ${searched})`;
    return { name: ok('name', 'container', text), addresses };
  }
  if (known.length === 0) return undefined;
  const shared = elsewhere.filter(({ network }) => origin.networks.some(({ name }) => name === network));
  if (shared.length > 0) {
    // An id, the short name of a task, or a task that may not be found yet: it is there, if not under this name.
    const found = `${asked} is no name that containers find; on this host it is known as ${shared.map(({ address }) => address).join(', ')}`;
    return { name: note('name', 'container', found), addresses: shared.map(({ address }) => address) };
  }
  const networks = [...new Set(elsewhere.map(({ network }) => network))].join(', ');
  const found = `${origin.name} finds no ${asked} on its networks (${searched}); it is on network ${networks}`;
  const mend = `Put both on one network: "docker service update --network-add ${elsewhere[0]?.network} …" for the service of ${origin.name}.`;
  return { name: wrong('name', 'container', found, mend), addresses: [] };
}
