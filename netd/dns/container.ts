import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Random } from '#base/random.ts';
import { type DnsRedirect, installDnsRedirect } from '../kernel/dns-redirect.ts';
import { isNamespaceGone } from '../kernel/errors.ts';
import { namespaceId } from '../kernel/netns.ts';
import type { Zone } from './answer.ts';
import { type Counters, newCounters } from './counters.ts';
import { findEngineResolver, type ResolverPorts } from './engine-resolver.ts';
import { type Listener, openListener } from './listener.ts';
import type { Records } from './records.ts';
import type { ResolvConf } from './resolv-conf.ts';
import { type SearchedNetwork, searchOrder } from './search.ts';
import { type ServerSource, type Upstream, upstreamsOf } from './servers.ts';

/** What a container's resolver has to know of it: always all of it. */
export interface ContainerDns {
  /** Path of its network namespace. */
  readonly sandboxKey: string;
  /** Every swarm network it is on. */
  readonly networks: readonly SearchedNetwork[];
  readonly servers: ServerSource;
  /** `--dns-option` values; undefined for those of the host's resolv.conf, which the engine then copies. */
  readonly options: readonly string[] | undefined;
  /** No network of it, the engine's own included, leads outside. */
  readonly internalOnly: boolean;
  /** What the swarm has no name for may be one of the engine's own: its resolver in the container is asked first. */
  readonly engineNames?: boolean;
}

export interface ContainerStatus {
  readonly sandboxKey: string;
  /** `serving`, or why not. */
  readonly state: 'starting' | 'serving' | 'failed';
  readonly error: string | undefined;
  /** In search order. */
  readonly networks: readonly { readonly id: string; readonly name: string; readonly names: number }[];
  readonly servers: readonly Upstream[];
  readonly internalOnly: boolean;
  readonly ndotsExplicit: boolean;
  readonly waiting: number;
  /** Times another namespace was found at the path, and the resolver made anew. */
  readonly repairs: number;
  readonly counters: Readonly<Counters>;
}

export interface ContainerDeps {
  readonly records: Records;
  readonly hostConf: () => ResolvConf;
  readonly clock: Clock;
  readonly random: Random;
  readonly upstreamPort?: number;
}

/** Sockets and rules as they stand in a namespace. */
interface Standing {
  readonly namespace: string;
  readonly listener: Listener;
  /** Belongs to this process: nobody else can flush it. */
  readonly redirect: DnsRedirect;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** One container's resolver: what is wanted, what stands, and the pass that makes the one of the other. */
export class Container {
  readonly #deps: ContainerDeps;
  readonly #counters = newCounters();
  #wanted: ContainerDns;
  #zone: Zone = { networks: [], ndotsExplicit: false };
  #retained: readonly string[] = [];
  #standing: Standing | undefined;
  /** As the last pass has found it: it moves when the engine is started anew. */
  #engine: ResolverPorts | undefined;
  #error: string | undefined;
  #repairs = 0;
  #closed = false;
  #waiters: Waiter[] = [];

  constructor(wanted: ContainerDns, deps: ContainerDeps) {
    this.#wanted = wanted;
    this.#deps = deps;
  }

  get zone(): Zone {
    return this.#zone;
  }

  /** What is answered changes at once. */
  set(wanted: ContainerDns): void {
    const { records, hostConf } = this.#deps;
    const networks = searchOrder(wanted.networks);
    const before = this.#retained;
    // Retained before the old ones are released, so that names both need are not read again.
    const list = networks.map(({ id, name }) => ({ name, names: records.retain(id) }));
    this.#retained = networks.map(({ id }) => id);
    for (const id of before) records.release(id);
    this.#wanted = wanted;
    const ndotsExplicit =
      wanted.options === undefined
        ? hostConf().ndotsExplicit
        : wanted.options.some((option) => option.startsWith('ndots:'));
    this.#zone = { networks: list, ndotsExplicit };
  }

  /** Servers for a question asked now. */
  upstreams(): readonly Upstream[] {
    const { servers: source, internalOnly } = this.#wanted;
    return upstreamsOf({ source, hostServers: this.#deps.hostConf().servers, internalOnly, engine: this.#engine });
  }

  /** Resolves at the end of the next pass, or rejects with what it fails with. */
  settled(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /**
   * Makes sockets and rules where there are none, or those that stand are not in the namespace that is at the path now.
   *
   * @throws NetdError when it cannot
   */
  async pass(): Promise<{ readonly end: 'serving' | 'gone' }> {
    try {
      const end = await this.#reach();
      this.#lookForEngine();
      this.#error = undefined;
      this.#settle(({ resolve }) => resolve());
      return { end };
    } catch (error) {
      this.#error = errorText(error);
      this.#settle(({ reject }) => reject(error));
      if (isNamespaceGone(error)) return { end: 'gone' };
      throw error;
    }
  }

  status(): ContainerStatus {
    const { sandboxKey, internalOnly } = this.#wanted;
    return {
      sandboxKey,
      state: this.#error !== undefined ? 'failed' : this.#standing === undefined ? 'starting' : 'serving',
      error: this.#error,
      networks: this.#retained.map((id, i) => {
        const network = this.#zone.networks[i];
        return { id, name: network?.name ?? '', names: network?.names.size ?? 0 };
      }),
      servers: this.upstreams(),
      internalOnly,
      ndotsExplicit: this.#zone.ndotsExplicit,
      waiting: this.#standing?.listener.waiting() ?? 0,
      repairs: this.#repairs,
      counters: { ...this.#counters },
    };
  }

  close(): void {
    this.#closed = true;
    this.#takeDown();
    for (const id of this.#retained) this.#deps.records.release(id);
    this.#retained = [];
    const { sandboxKey } = this.#wanted;
    const error = new NetdError('dns-detached', `the container at ${sandboxKey} was detached before it was served`);
    this.#settle(({ reject }) => reject(error));
  }

  async #reach(): Promise<'serving'> {
    const { sandboxKey } = this.#wanted;
    const namespace = namespaceId(sandboxKey);
    const standing = this.#standing;
    if (standing !== undefined) {
      if (standing.namespace === namespace) return 'serving';
      this.#repairs++;
      this.#takeDown();
    }
    const { clock, random, upstreamPort } = this.#deps;
    const listener = await openListener({
      namespace: sandboxKey,
      zone: () => this.#zone,
      upstreams: () => this.upstreams(),
      counters: this.#counters,
      clock,
      random,
      ...(upstreamPort !== undefined && { upstreamPort }),
    });
    try {
      const redirect = await installDnsRedirect(sandboxKey, listener);
      this.#standing = { namespace, listener, redirect };
    } catch (error) {
      listener.close();
      throw error;
    }
    if (this.#closed) this.#takeDown(); // detached meanwhile
    return 'serving';
  }

  #lookForEngine(): void {
    const { sandboxKey, engineNames = false } = this.#wanted;
    if (this.#standing === undefined || !engineNames) this.#engine = undefined;
    else {
      const { udpPort: udp, tcpPort: tcp } = this.#standing.listener;
      this.#engine = findEngineResolver(sandboxKey, { udp, tcp });
    }
  }

  /** The rules first: what is asked from then on reaches the engine's resolver. */
  #takeDown(): void {
    this.#standing?.redirect.close();
    this.#standing?.listener.close();
    this.#standing = undefined;
  }

  #settle(tell: (waiter: Waiter) => void): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) tell(waiter);
  }
}
