import type { NetworkSnapshot } from '../gossip/tables.ts';
import type { LocalContainer } from '../local-containers.ts';
import type { ServiceFacts } from './facts.ts';
import { plain } from './subnet.ts';

// Who is called what on the networks of this host: as the rows say, whichever container asks.

export interface KnownNetwork {
  readonly id: string;
  readonly name: string;
  readonly snapshot: NetworkSnapshot | undefined;
}

export interface NamedAddress {
  readonly network: string;
  readonly address: string;
}

/** More names than this help nobody who mistyped one. */
const NAMES_TOLD = 20;

/** Addresses of what is called so anywhere: a task, a container, or the tasks of a service; also by the beginning of a task's name. */
export function addressesNamed(
  networks: readonly KnownNetwork[],
  containers: readonly LocalContainer[],
  asked: string,
): NamedAddress[] {
  const found: NamedAddress[] = [];
  const add = (network: string, address: string) => {
    if (!found.some((one) => one.network === network && one.address === address)) found.push({ network, address });
  };
  for (const { id, name: network, snapshot } of networks) {
    for (const { value } of snapshot?.endpoints ?? []) {
      const { name, service, aliases, taskAliases, ip } = value;
      const isService = service?.name === asked || aliases.includes(asked);
      const isTask =
        name === asked || taskAliases.includes(asked) || name.startsWith(`${asked}.`) || name.endsWith(`.${asked}`);
      if (isService || isTask) add(network, ip);
    }
    for (const { name, taskId, service, aliases, endpoints } of containers) {
      const isIt = [name, taskId, service, ...aliases].includes(asked) || name.startsWith(`${asked}.`);
      if (!isIt) continue;
      for (const { networkId, address } of endpoints) if (networkId === id) add(network, plain(address));
    }
  }
  return found;
}

/** The service whose virtual address it is. */
export function serviceAt(snapshot: NetworkSnapshot | undefined, address: string): ServiceFacts | undefined {
  const behind = (snapshot?.endpoints ?? []).filter(({ value }) => value.virtualIp === address);
  const [first] = behind;
  if (first === undefined) return undefined;
  const tasks = behind.filter(({ value }) => !value.disabled).map(({ value: { name, ip } }) => ({ name, ip }));
  return { name: first.value.service?.name ?? '', tasks };
}

/** What there is, for somebody who asked for something else. */
export function namesThere(networks: readonly KnownNetwork[], containers: readonly LocalContainer[]): string {
  const names = new Set(containers.map(({ service, name }) => service || name));
  for (const { snapshot } of networks)
    for (const { value } of snapshot?.endpoints ?? []) names.add(value.service?.name || value.name);
  const sorted = [...names].sort();
  const more = sorted.length - NAMES_TOLD;
  if (sorted.length === 0) return 'no names at all';
  return `${sorted.slice(0, NAMES_TOLD).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
