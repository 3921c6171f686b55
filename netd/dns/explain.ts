import { ipText } from '../gossip/wire/ip.ts';
import { answerOf, type Zone } from './answer.ts';
import { typeName } from './codes.ts';
import type { NetworkNames } from './names.ts';
import { lowerCase } from './query.ts';
import { findName } from './search.ts';
import type { Upstream } from './servers.ts';

/** Why a question of a container is answered as it is, for people. */
export interface Explanation {
  readonly name: string;
  readonly type: string;
  /** Networks in the order they are asked. */
  readonly searched: readonly string[];
  /** What each network has of the name, in that order: the first that has any wins, answers are never merged. */
  readonly records: readonly ExplainedRecords[];
  readonly outcome:
    | { readonly kind: 'addresses'; readonly network: string; readonly addresses: readonly ExplainedAddress[] }
    | { readonly kind: 'no-records'; readonly reason: string }
    | { readonly kind: 'pointer'; readonly target: string }
    | { readonly kind: 'forward'; readonly servers: readonly Upstream[] }
    | { readonly kind: 'servfail'; readonly reason: string };
}

export interface ExplainedRecords {
  readonly network: string;
  /** What is left of the name without the network's: `web` of `web.front`. */
  readonly key: string;
  readonly addresses: readonly string[];
}

export interface ExplainedAddress {
  readonly address: string;
  /** Endpoints that give it: of several that share a virtual address, as many as there are. */
  readonly endpoints: readonly { readonly id: string; readonly name: string }[];
}

export function explain(zone: Zone, upstreams: readonly Upstream[], asked: string, type: number): Explanation {
  const name = asked.replace(/\.$/, '');
  const key = lowerCase(name);
  const answer = answerOf(zone, { name, key, type });
  const searched = zone.networks.map((network) => network.name);
  const head = { name, type: typeName(type), searched, records: recordsOf(zone, name, key) };
  switch (answer.kind) {
    case 'addresses': {
      const found = findName(zone.networks, name, key);
      const names = zone.networks.find((network) => network.name === found?.network)?.names;
      const addresses = answer.data.map((bytes) => explained(ipText(bytes) ?? '', names, found?.key ?? key));
      return { ...head, outcome: { kind: 'addresses', network: found?.network ?? '', addresses } };
    }
    case 'none': {
      const isKnown = findName(zone.networks, name, key) !== undefined;
      const reason = isKnown
        ? 'the name has no address of this family'
        : 'ndots is set: single labels are for the search list';
      return { ...head, outcome: { kind: 'no-records', reason } };
    }
    case 'pointer':
      return { ...head, outcome: { kind: 'pointer', target: labels(answer.name).join('.') } };
    case 'forward':
      return { ...head, outcome: forwarded(upstreams) };
  }
}

/** All that could be meant by a name, whichever of it wins; unqualified first, as they are looked for. */
function recordsOf({ networks }: Zone, name: string, key: string): ExplainedRecords[] {
  const found = (network: Zone['networks'][number], left: string): ExplainedRecords[] => {
    const addresses = network.names.find(left);
    if (addresses === undefined) return [];
    const texts = [...addresses.v4, ...addresses.v6].map((bytes) => ipText(bytes) ?? '');
    return [{ network: network.name, key: left, addresses: texts }];
  };
  const whole = networks.flatMap((network) => found(network, key));
  const qualified = networks.flatMap((network) =>
    name.endsWith(`.${network.name}`) ? found(network, key.slice(0, -network.name.length - 1)) : [],
  );
  return [...whole, ...qualified];
}

function explained(address: string, names: NetworkNames | undefined, key: string): ExplainedAddress {
  const owners = [...(names?.owners(key).get(address) ?? [])];
  return { address, endpoints: owners.map((id) => ({ id, name: names?.endpoints.get(id)?.name ?? '' })) };
}

function forwarded(servers: readonly Upstream[]): Explanation['outcome'] {
  if (servers.length > 0) return { kind: 'forward', servers };
  return { kind: 'servfail', reason: 'there is no server to forward to, or no network that leads outside' };
}

function labels(wire: Buffer): string[] {
  const parts: string[] = [];
  for (let at = 0; at < wire.length; ) {
    const length = wire[at] ?? 0;
    if (length === 0) break;
    parts.push(wire.toString('utf8', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return parts;
}
