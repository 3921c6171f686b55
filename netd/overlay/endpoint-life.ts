import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createReconciler } from '#base/reconciler.ts';
import type { DesiredNetwork } from '../desired.ts';
import { isNamespace } from '../kernel/netns.ts';
import type { LocalEndpoint } from './endpoint.ts';
import { checkEndpoint, type EndpointWish } from './endpoint-checks.ts';
import type { EndpointStore } from './endpoint-store.ts';
import type { Host } from './host.ts';
import { findInterface } from './interface-name.ts';
import { linkName } from './names.ts';
import { deleteLinkIn, Namespace } from './namespace.ts';
import { parseCidr, type StaticRoute, siblingRoutes, subnetIndex } from './subnets.ts';
import { viewOf } from './view.ts';
import type { Wishes } from './wishes.ts';

/** What the engine needs to know to move an interface into a container. */
export interface JoinedEndpoint {
  /** The link that waits in the host's namespace. */
  readonly srcName: string;
  /** The engine numbers interfaces after this. */
  readonly dstPrefix: string;
  readonly staticRoutes: readonly StaticRoute[];
}

export interface EndpointLifeDeps {
  readonly store: EndpointStore;
  readonly host: Pick<Host, 'rtnetlink'>;
  readonly wishes: Wishes;
  readonly logger: Logger;
  readonly clock: Clock;
  /** File of a network's namespace. */
  readonly path: (networkId: string) => string;
  /** Endpoints of the network changed: resolves after a pass. */
  readonly passed: (networkId: string) => Promise<void>;
  /** Why the endpoint is not on its network, after the last pass; undefined if it is. */
  readonly failureOf: (endpoint: LocalEndpoint) => string | undefined;
  /** The same, without waiting. */
  readonly mark: (networkId: string) => void;
  /** A container is about to be put on the network: it is built, unless it is there. */
  readonly begin: (networkId: string) => void;
  /** Says to the others what is here now. */
  readonly publish: () => void;
}

const DST_PREFIX = 'eth';
/** Between a join and the namespace of the container the engine makes other endpoints, by drivers that may be slow. */
const START_GRACE_MS = 60_000;
/** After a join the engine has moved and named the interface within this time, should the kernel not have told of it. */
const MOVED_AFTER_MS = 1500;
/** Containers that are looked into at once. */
const MOST_LOOKS = 4;

/** Endpoints from their creation to their end, as the engine asks for it. All steps may be repeated. */
export class EndpointLife implements Disposable {
  readonly #deps: EndpointLifeDeps;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #joinedAtMs = new Map<string, number>();
  /** Endpoints whose container's namespace has been seen. */
  readonly #seen = new Set<string>();
  readonly #startedAtMs: number;
  /** Looks into containers: the engine does several things to an interface at once, and one look sees all. */
  readonly #looks = createReconciler({
    pass: (endpointId) => this.learnName(endpointId),
    onError: (endpoint, error) => this.#deps.logger.warn({ endpoint, reason: errorText(error) }, 'look failed'),
    concurrency: MOST_LOOKS,
    retryMs: MOVED_AFTER_MS,
  });

  constructor(deps: EndpointLifeDeps) {
    this.#deps = deps;
    this.#startedAtMs = deps.clock.monotonicMs();
  }

  /** Why no container can be put on the network now; undefined if one can. */
  problem(networkId: string): string | undefined {
    const { wishes } = this.#deps;
    const description = wishes.description(networkId);
    if (description === undefined) return 'the managers have told nothing of it yet';
    const view = viewOf(description, [], wishes.underlay);
    return typeof view === 'string' ? view : undefined;
  }

  /** @throws NetdError */
  create(wish: EndpointWish): LocalEndpoint {
    const { store, publish, begin } = this.#deps;
    const endpoint = checkEndpoint(wish, this.#usable(wish.networkId), store.of(wish.networkId));
    const known = store.get(wish.endpointId);
    if (known === undefined) store.put(endpoint);
    else if (!isSame(known, endpoint)) {
      const text = `endpoint ${wish.endpointId} exists already, with address ${known.address} and ${known.mac}`;
      throw new NetdError('bad-endpoint', text);
    }
    // The namespace is on its way while the engine makes the container.
    publish();
    begin(wish.networkId);
    return known ?? endpoint;
  }

  /** @throws NetdError */
  async join(endpointId: string, sandboxKey: string): Promise<JoinedEndpoint> {
    const { store, publish, passed } = this.#deps;
    const endpoint = store.get(endpointId);
    if (endpoint === undefined) {
      throw new NetdError('no-endpoint', `there is no endpoint ${endpointId}; the engine must create it first`);
    }
    const { networkId } = endpoint;
    const network = this.#usable(networkId);
    // It may have been created long ago, and others since.
    checkEndpoint(endpoint, network, store.of(networkId));
    // The namespace is not there yet: Docker joins first, and has the container runtime make it then (docs/network-driver.md).
    this.#joinedAtMs.set(endpointId, this.#deps.clock.monotonicMs());
    if (endpoint.sandboxKey !== undefined && endpoint.sandboxKey !== sandboxKey) await this.leave(endpointId);
    store.put({ ...endpoint, sandboxKey, interfaceName: undefined });
    await passed(networkId);
    const failure = this.#deps.failureOf(endpoint);
    if (failure !== undefined) {
      await this.leave(endpointId);
      throw new NetdError('overlay-failed', `network ${network.name} cannot be set up on this host: ${failure}`);
    }
    publish();
    this.#nameLater(endpointId);
    const srcName = linkName(networkId, { kind: 'container', endpointId });
    return { srcName, dstPrefix: DST_PREFIX, staticRoutes: routesOf(endpoint, network) };
  }

  async leave(endpointId: string): Promise<void> {
    const { store, wishes, publish, passed, path } = this.#deps;
    const endpoint = store.get(endpointId);
    if (endpoint?.sandboxKey === undefined) return;
    this.#joinedAtMs.delete(endpointId);
    this.#seen.delete(endpointId);
    store.put({ ...endpoint, sandboxKey: undefined, interfaceName: undefined });
    // The others hear of it before packets find nobody.
    publish();
    if (wishes.isKnown) await passed(endpoint.networkId);
    // Before the first wish there are no passes.
    else await deleteLinkIn(path(endpoint.networkId), linkName(endpoint.networkId, { kind: 'port', endpointId }));
  }

  async delete(endpointId: string): Promise<void> {
    const { store, publish, mark } = this.#deps;
    const endpoint = store.get(endpointId);
    if (endpoint === undefined) return;
    await this.leave(endpointId);
    store.delete(endpointId);
    publish();
    mark(endpoint.networkId);
  }

  /**
   * Containers may have ended without a word: their namespace is gone, and the pair with it. What ended so, and nobody wants
   * back, is forgotten.
   */
  async sweep(): Promise<void> {
    const { store, wishes, publish, mark, logger } = this.#deps;
    for (const endpoint of store.all()) {
      const { endpointId, networkId, sandboxKey } = endpoint;
      if (sandboxKey === undefined) continue;
      if (isNamespace(sandboxKey)) {
        this.#seen.add(endpointId);
        continue;
      }
      // What was there to be seen, and is not, is gone.
      const wasSeen = this.#seen.has(endpointId) || endpoint.interfaceName !== undefined;
      if (!wasSeen && (this.#isStarting(endpointId) || (await this.#isInContainer(endpoint)))) continue;
      if (store.get(endpointId)?.sandboxKey !== sandboxKey) continue;
      logger.info({ endpoint: endpointId, network: networkId }, 'the container of an endpoint is gone');
      this.#seen.delete(endpointId);
      if (wishes.isAttached(endpoint)) store.put({ ...endpoint, sandboxKey: undefined, interfaceName: undefined });
      else store.delete(endpointId);
      publish();
      mark(networkId);
    }
  }

  /** Learns what the engine named the interface in the container: to make it anew, should somebody delete it. */
  async learnName(endpointId: string): Promise<void> {
    const { store, logger, mark } = this.#deps;
    const endpoint = store.get(endpointId);
    if (endpoint?.sandboxKey === undefined || endpoint.interfaceName !== undefined) return;
    try {
      const interfaceName = await findInterface(endpoint.sandboxKey, endpointId);
      const now = store.get(endpointId);
      if (interfaceName === undefined || now?.sandboxKey !== endpoint.sandboxKey) return;
      store.put({ ...now, interfaceName });
      mark(now.networkId);
    } catch (error) {
      logger.debug({ endpoint: endpointId, reason: errorText(error) }, 'cannot look into the container');
    }
  }

  /** A link of a network's namespace changed. What the engine does to the end in a container shows at ours as well. */
  linkChanged(networkId: string, link: string | undefined): void {
    for (const { endpointId, sandboxKey, interfaceName } of this.#deps.store.of(networkId)) {
      if (sandboxKey === undefined || interfaceName !== undefined) continue;
      if (linkName(networkId, { kind: 'port', endpointId }) === link) this.#looks.mark(endpointId);
    }
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
    void this.#looks.stop();
  }

  #isStarting(endpointId: string): boolean {
    const joinedAtMs = this.#joinedAtMs.get(endpointId) ?? this.#startedAtMs;
    return this.#deps.clock.monotonicMs() - joinedAtMs < START_GRACE_MS;
  }

  /** A namespace that is not to be seen from here may still be there: then so is the pair, and its outer end not here. */
  async #isInContainer({ networkId, endpointId }: LocalEndpoint): Promise<boolean> {
    using namespace = Namespace.find(this.#deps.path(networkId));
    const inner = await namespace?.rtnetlink.link(linkName(networkId, { kind: 'port', endpointId }));
    const outer = await this.#deps.host.rtnetlink.link(linkName(networkId, { kind: 'container', endpointId }));
    return inner !== undefined && outer === undefined;
  }

  /** @throws NetdError unless the network is known and can be built */
  #usable(networkId: string): DesiredNetwork {
    const description = this.#deps.wishes.description(networkId);
    const problem = this.problem(networkId);
    if (description === undefined) throw new NetdError('no-network', `network ${networkId}: ${problem}`);
    if (problem === undefined) return description;
    throw new NetdError('network-refused', `network ${description.name} cannot be used on this node: ${problem}`);
  }

  #nameLater(endpointId: string): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.learnName(endpointId);
    }, MOVED_AFTER_MS);
    timer.unref();
    this.#timers.add(timer);
  }
}

function isSame(a: LocalEndpoint, b: LocalEndpoint): boolean {
  return a.networkId === b.networkId && a.address === b.address && a.mac === b.mac;
}

function routesOf({ address }: LocalEndpoint, { subnets }: DesiredNetwork): StaticRoute[] {
  const own = parseCidr(address);
  const cidrs = subnets.flatMap(({ subnet }) => parseCidr(subnet) ?? []);
  const index = own && subnetIndex(cidrs, own.address, own.length);
  return index === undefined ? [] : siblingRoutes(subnets, index);
}
