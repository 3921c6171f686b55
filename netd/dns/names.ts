import type { Endpoint } from '../gossip/records.ts';
import { ipBytes } from '../gossip/wire/ip.ts';

/** The addresses of a name, as they go into records; 4 and 16 bytes each. Never changed: a change makes another value. */
export interface Addresses {
  readonly v4: readonly Buffer[];
  readonly v6: readonly Buffer[];
}

/** One name an endpoint gives one address. */
export interface Naming {
  /** In lower case. */
  readonly name: string;
  readonly ip: string;
}

/** What an endpoint says on a network. */
export interface Namings {
  readonly names: readonly Naming[];
  /** The name its address resolves back to; undefined while it is draining. */
  readonly pointer: string | undefined;
}

/**
 * The names an endpoint brings (spec dataplane §6.2). A draining one keeps only the virtual address of its service: what
 * clients have of it still works, but nobody is sent to it any more.
 */
export function namingsOf(endpoint: Endpoint): Namings {
  const { service, virtualIp, ip, disabled } = endpoint;
  const own = disabled ? [] : [endpoint.name, ...endpoint.taskAliases];
  const services = service === undefined || service.name === '' ? [] : [service.name, ...endpoint.aliases];
  const tasks = disabled ? [] : services.map((name) => `tasks.${name}`);
  const names = [...own, ...tasks].map((name) => ({ name: name.toLowerCase(), ip }));
  const serviceIp = virtualIp ?? (disabled ? undefined : ip);
  if (serviceIp !== undefined) {
    for (const name of services) names.push({ name: name.toLowerCase(), ip: serviceIp });
  }
  return { names, pointer: disabled ? undefined : endpoint.name };
}

/** Whom an address belongs to, and since which of its owners. */
type Owners = Set<string>;

interface Name {
  /** Address to the endpoints that give it: it goes with the last of them. */
  readonly owners: Map<string, Owners>;
  /** Made when asked for, dropped by a change. */
  addresses: Addresses | undefined;
}

/**
 * All names of one network: a map that follows its endpoints one by one, so that a change among ten thousand costs what
 * the one endpoint costs.
 */
export class NetworkNames {
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #names = new Map<string, Name>();
  readonly #pointers = new Map<string, Map<string, string>>();

  /** Names known; for status. */
  get size(): number {
    return this.#names.size;
  }

  get endpoints(): ReadonlyMap<string, Endpoint> {
    return this.#endpoints;
  }

  /** Adds an endpoint, or puts it in the place of what was known under this id. */
  put(id: string, endpoint: Endpoint): void {
    this.drop(id);
    this.#endpoints.set(id, endpoint);
    const { names, pointer } = namingsOf(endpoint);
    for (const { name, ip } of names) {
      const entry = this.#names.get(name) ?? { owners: new Map<string, Owners>(), addresses: undefined };
      this.#names.set(name, entry);
      const owners = entry.owners.get(ip);
      if (owners !== undefined) owners.add(id);
      else {
        entry.owners.set(ip, new Set([id]));
        entry.addresses = undefined;
      }
    }
    if (pointer === undefined) return;
    const pointers = this.#pointers.get(endpoint.ip) ?? new Map<string, string>();
    this.#pointers.set(endpoint.ip, pointers.set(id, pointer));
  }

  /** Forgets an endpoint; one that is not known is fine. */
  drop(id: string): void {
    const endpoint = this.#endpoints.get(id);
    if (endpoint === undefined) return;
    this.#endpoints.delete(id);
    for (const { name, ip } of namingsOf(endpoint).names) this.#dropNaming(id, name, ip);
    const pointers = this.#pointers.get(endpoint.ip);
    pointers?.delete(id);
    if (pointers?.size === 0) this.#pointers.delete(endpoint.ip);
  }

  /** @param key a name in lower case */
  find(key: string): Addresses | undefined {
    const entry = this.#names.get(key);
    if (entry === undefined) return undefined;
    entry.addresses ??= addressesOf(entry.owners.keys());
    return entry.addresses;
  }

  /** Ids of the endpoints behind each address of a name: why the answer is what it is. */
  owners(key: string): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#names.get(key)?.owners ?? new Map();
  }

  /** The name of an address. With two endpoints claiming it, the one known for longer. */
  pointer(ip: string): string | undefined {
    return this.#pointers.get(ip)?.values().next().value;
  }

  #dropNaming(id: string, name: string, ip: string): void {
    const entry = this.#names.get(name);
    const owners = entry?.owners.get(ip);
    if (entry === undefined || owners === undefined) return;
    owners.delete(id);
    if (owners.size > 0) return;
    entry.owners.delete(ip);
    entry.addresses = undefined;
    if (entry.owners.size === 0) this.#names.delete(name);
  }
}

function addressesOf(ips: Iterable<string>): Addresses {
  const v4: Buffer[] = [];
  const v6: Buffer[] = [];
  for (const ip of ips) {
    const bytes = ipBytes(ip);
    if (bytes !== undefined) (bytes.length === 4 ? v4 : v6).push(bytes);
  }
  return { v4, v6 };
}
