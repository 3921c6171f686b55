import type { Addresses, NetworkNames } from './names.ts';
import { lowerCase } from './query.ts';

/** A network a container is on, with what decides which of several is asked first. */
export interface SearchedNetwork {
  readonly id: string;
  /** As the user named it: the right part of a qualified name. */
  readonly name: string;
  readonly internal: boolean;
  /** The ingress network: nothing has a name there. */
  readonly ingress: boolean;
  /** `--gw-priority` of Docker 28; 0 if not given. */
  readonly gatewayPriority: number;
}

/** The networks whose names a container sees, first the one whose answer wins (spec dataplane §1.7, §6.3). */
export function searchOrder<N extends SearchedNetwork>(networks: readonly N[]): N[] {
  return networks
    .filter((network) => !network.ingress)
    .sort(
      (a, b) =>
        b.gatewayPriority - a.gatewayPriority ||
        Number(a.internal) - Number(b.internal) ||
        compareBytes(a.name, b.name) ||
        compareBytes(a.id, b.id),
    );
}

/** Where a name was found. */
export interface Found {
  readonly network: string;
  /** What remains of the name without the network's, in lower case. */
  readonly key: string;
  readonly addresses: Addresses;
}

/** Names of the networks of a container, in search order. */
export type SearchList = readonly { readonly name: string; readonly names: NetworkNames }[];

/**
 * Finds a name: whole on any network, then as `left.network` for each dot from the right. Letters match in either case on
 * the left, and exactly in the network's name. The first network that has the name wins; answers are never merged.
 */
export function findName(list: SearchList, name: string, key: string): Found | undefined {
  for (const network of list) {
    const addresses = network.names.find(key);
    if (addresses !== undefined) return { network: network.name, key, addresses };
  }
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    for (const network of list) {
      if (!isRightPart(name, dot + 1, network.name)) continue;
      const left = lowerCase(name.slice(0, dot));
      const addresses = network.names.find(left);
      if (addresses !== undefined) return { network: network.name, key: left, addresses };
    }
  }
  return undefined;
}

/** The full name of an address: of the first network that knows it. */
export function findPointer(list: SearchList, ip: string): string | undefined {
  for (const network of list) {
    const name = network.names.pointer(ip);
    if (name !== undefined) return `${name}.${network.name}`;
  }
  return undefined;
}

function isRightPart(name: string, at: number, right: string): boolean {
  return name.length - at === right.length && name.endsWith(right);
}

function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
