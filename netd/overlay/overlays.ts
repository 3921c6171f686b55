import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createReconciler } from '#base/reconciler.ts';
import type { DesiredNetwork, DesiredNetworks } from '../desired.ts';
import type { KernelEvent } from '../kernel/netlink/event.ts';
import { isNamespace } from '../kernel/netns.ts';
import { DriftLog } from './drift.ts';
import type { LocalEndpoint } from './endpoint.ts';
import { checkEndpoint, type EndpointWish } from './endpoint-checks.ts';
import { EndpointStore } from './endpoint-store.ts';
import { Host } from './host.ts';
import { findInterface } from './interface-name.ts';
import { linkName, namespaceName, networkOfNamespace } from './names.ts';
import { deleteLinkIn } from './namespace.ts';
import { OverlayNetwork } from './network.ts';
import { dueAfter } from './network-events.ts';
import { type OwnRows, ownRows } from './own-rows.ts';
import { type OverlayTables, Publisher } from './publisher.ts';
import { RowsFeed } from './rows-feed.ts';
import { networkStatus, type OverlaysStatus } from './status.ts';
import { parseCidr, type StaticRoute, siblingRoutes, subnetIndex } from './subnets.ts';
import { type Underlay, viewOf } from './view.ts';

export interface OverlaysDeps {
  /** The run directory, such as `/run/netd`: namespaces and endpoints live below it. */
  readonly runDir: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** File of the namespace the VTEP is in; that of this process unless given. */
  readonly hostNamespace?: string;
}

/** What the engine needs to know to move an interface into a container. */
export interface JoinedEndpoint {
  /** The link that waits in the host's namespace. */
  readonly srcName: string;
  /** The engine numbers interfaces after this. */
  readonly dstPrefix: string;
  readonly staticRoutes: readonly StaticRoute[];
}

/** The overlay networks of this node. All calls may be repeated. */
export interface Overlays {
  /** The whole wish. Until the first one, what an earlier life left is left as it is. */
  readonly set: (desired: DesiredNetworks) => void;
  /** The gossip of now; undefined while there is none. */
  readonly setTables: (tables: OverlayTables | undefined) => void;
  /** @throws NetdError `no-network`, `network-refused`, `bad-endpoint` */
  readonly createEndpoint: (wish: EndpointWish) => Promise<{ readonly address: string; readonly mac: string }>;
  /** @throws NetdError `no-endpoint`, `no-network`, `network-refused`, `overlay-failed` */
  readonly joinEndpoint: (endpointId: string, sandboxKey: string) => Promise<JoinedEndpoint>;
  readonly leaveEndpoint: (endpointId: string) => Promise<void>;
  readonly deleteEndpoint: (endpointId: string) => Promise<void>;
  /** Forgets endpoints of the network that are in no container. It goes by itself when nothing is on it any more. */
  readonly deleteNetwork: (networkId: string) => Promise<void>;
  /** Why no container can be put on the network now; undefined if one can. */
  readonly problem: (networkId: string) => string | undefined;
  readonly endpoints: () => readonly LocalEndpoint[];
  /** Looks for containers that ended without a word, as after a restart of the engine. */
  readonly sweep: () => void;
  readonly status: () => OverlaysStatus;
  /** Ends the passes. The kernel keeps what it has: packets go on. */
  readonly close: () => Promise<void>;
}

const NAMESPACES = 'netns';
const ENDPOINTS = 'endpoints';
/** The engine's namespaces, and those of ip-netns(8): where a vxlan device in our way may hide. */
const OTHER_NAMESPACES = ['/run/docker/netns', '/var/run/docker/netns', '/run/netns'];
const DST_PREFIX = 'eth';
/** Passes at once: each is mostly waiting for the kernel, and all wait for one thread. */
const CONCURRENCY = 4;
/** Between a pass that failed in part and the next. */
const RETRY_MS = 2000;
/** How often names of namespaces are looked at, of whose loss no notification tells. */
const TICK_MS = 1000;
/** How often everything is compared with the kernel, whatever was heard (spec dataplane §8.3). */
const FULL_EVERY_TICKS = 30;
/** Between a notification and the look it asks for. */
const DEBOUNCE_MS = 100;
/** Between a join and the namespace of the container the engine makes other endpoints, by drivers that may be slow. */
const START_GRACE_MS = 60_000;
/** After a join the engine moves and names the interface within this time. */
const MOVED_AFTER_MS = 1500;

/** @throws KernelError, system errors: without a run directory and a host namespace there are no overlays */
export function createOverlays(deps: OverlaysDeps): Overlays {
  return new NodeOverlays(deps);
}

class NodeOverlays implements Overlays {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #namespaces: string;
  readonly #store: EndpointStore;
  readonly #host: Host;
  readonly #drift = new DriftLog();
  readonly #feed = new RowsFeed();
  readonly #publisher: Publisher;
  readonly #networks = new Map<string, OverlayNetwork>();
  /** Last known description of each network with endpoints: the wish may end before they do. */
  readonly #described = new Map<string, DesiredNetwork>();
  readonly #waiters = new Map<string, (() => void)[]>();
  readonly #reconciler;
  readonly #joinedAtMs = new Map<string, number>();
  readonly #startedAtMs: number;
  readonly #tick: NodeJS.Timeout;
  readonly #namings = new Set<NodeJS.Timeout>();
  #desired: DesiredNetworks | undefined;
  /** The VTEP, once it was seen on this host: an address that is away for a moment is no reason to rebuild anything. */
  #localVtep: string | undefined;
  #endWatch: () => void = () => undefined;
  #ticks = 0;
  /** Whether the VTEP is ours decides what devices are like: no pass before it is known. */
  #hostSeen: Promise<void> = Promise.resolve();

  constructor({ runDir, logger, clock = systemClock, hostNamespace }: OverlaysDeps) {
    this.#logger = logger;
    this.#clock = clock;
    this.#startedAtMs = clock.monotonicMs();
    this.#namespaces = join(runDir, NAMESPACES);
    mkdirSync(this.#namespaces, { recursive: true, mode: 0o700 });
    this.#store = new EndpointStore(join(runDir, ENDPOINTS), logger);
    this.#publisher = new Publisher(logger);
    this.#host = new Host({
      namespace: hostNamespace,
      namespaceDirectories: [...OTHER_NAMESPACES, this.#namespaces],
      isWanted: (networkId) => this.#description(networkId) !== undefined,
    });
    this.#reconciler = createReconciler({
      pass: (networkId) => this.#pass(networkId),
      onError: (networkId, error) => logger.error({ network: networkId, err: error }, 'overlay pass failed'),
      concurrency: CONCURRENCY,
      retryMs: RETRY_MS,
    });
    this.#tick = setInterval(() => this.#onTick(), TICK_MS);
    this.#tick.unref();
  }

  set = (desired: DesiredNetworks): void => {
    const isFirst = this.#desired === undefined;
    const isMoved = this.#desired?.vtep !== desired.vtep;
    this.#desired = desired;
    this.#host.vtep = desired.vtep;
    if (isMoved) this.#localVtep = undefined;
    this.#hostSeen = this.#lookAtHost();
    for (const network of desired.networks) {
      this.#described.set(network.id, network);
      this.#networks.get(network.id)?.refresh(network);
    }
    if (isFirst) this.sweep();
    for (const id of this.#known()) this.#reconciler.mark(id);
    this.#publish();
  };

  setTables = (tables: OverlayTables | undefined): void => {
    this.#endWatch();
    this.#endWatch = () => undefined;
    this.#publisher.setTables(tables);
    if (tables !== undefined) {
      this.#endWatch = tables.watch((networkId, changes) => {
        const network = this.#networks.get(networkId);
        if (network !== undefined && this.#feed.take(network, changes)) this.#reconciler.mark(networkId);
      });
    }
    this.#publish();
    for (const network of this.#networks.values()) {
      if (tables !== undefined) this.#feed.load(network, tables);
      network.demandFull();
      this.#reconciler.mark(network.desired.id);
    }
  };

  createEndpoint = async (wish: EndpointWish): Promise<{ readonly address: string; readonly mac: string }> => {
    const network = this.#described.get(wish.networkId);
    if (this.#desired === undefined || network === undefined) throw unknownNetwork(wish.networkId);
    const problem = this.problem(wish.networkId);
    if (problem !== undefined) throw refused(network, problem);
    const known = this.#store.get(wish.endpointId);
    const endpoint = checkEndpoint(wish, network, this.#store.of(wish.networkId));
    if (known === undefined) this.#store.put(endpoint);
    else if (
      known.networkId !== endpoint.networkId ||
      known.address !== endpoint.address ||
      known.mac !== endpoint.mac
    ) {
      throw new NetdError(
        'bad-endpoint',
        `endpoint ${wish.endpointId} exists with address ${known.address}, ${known.mac}`,
      );
    }
    // The namespace is on its way while the engine makes the container.
    this.#publish();
    this.#reconciler.mark(wish.networkId);
    return { address: endpoint.address, mac: endpoint.mac };
  };

  joinEndpoint = async (endpointId: string, sandboxKey: string): Promise<JoinedEndpoint> => {
    const endpoint = this.#store.get(endpointId);
    if (endpoint === undefined) {
      throw new NetdError('no-endpoint', `there is no endpoint ${endpointId}; the engine must create it first`);
    }
    const { networkId } = endpoint;
    const description = this.#description(networkId);
    if (description === undefined) throw unknownNetwork(networkId);
    const problem = this.problem(networkId);
    if (problem !== undefined) throw refused(description, problem);
    // The namespace is not there yet: Docker joins first, and has the container runtime make it then (docs/network-driver.md).
    this.#joinedAtMs.set(endpointId, this.#clock.monotonicMs());
    if (endpoint.sandboxKey !== undefined && endpoint.sandboxKey !== sandboxKey) await this.leaveEndpoint(endpointId);
    this.#store.put({ ...endpoint, sandboxKey, interfaceName: undefined });
    this.#networks.get(networkId)?.refresh();
    await this.#passed(networkId);
    const failure = this.#networks.get(networkId)?.last?.linkFailure;
    if (failure !== undefined) {
      await this.leaveEndpoint(endpointId);
      throw new NetdError('overlay-failed', `network ${description.name} cannot be set up on this host: ${failure}`);
    }
    this.#publish();
    this.#nameLater(endpointId);
    return {
      srcName: linkName(networkId, { kind: 'container', endpointId }),
      dstPrefix: DST_PREFIX,
      staticRoutes: routesOf(endpoint, description),
    };
  };

  leaveEndpoint = async (endpointId: string): Promise<void> => {
    const endpoint = this.#store.get(endpointId);
    if (endpoint?.sandboxKey === undefined) return;
    const { networkId } = endpoint;
    this.#store.put({ ...endpoint, sandboxKey: undefined, interfaceName: undefined });
    this.#publish();
    const network = this.#networks.get(networkId);
    if (network === undefined) {
      // Before the first wish there are no passes.
      await deleteLinkIn(this.#path(networkId), linkName(networkId, { kind: 'port', endpointId }));
      return;
    }
    network.refresh();
    await this.#passed(networkId);
  };

  deleteEndpoint = async (endpointId: string): Promise<void> => {
    const endpoint = this.#store.get(endpointId);
    if (endpoint === undefined) return;
    await this.leaveEndpoint(endpointId);
    this.#store.delete(endpointId);
    this.#joinedAtMs.delete(endpointId);
    this.#publish();
    this.#reconciler.mark(endpoint.networkId);
  };

  deleteNetwork = async (networkId: string): Promise<void> => {
    for (const { endpointId, sandboxKey } of this.#store.of(networkId)) {
      if (sandboxKey === undefined) this.#store.delete(endpointId);
    }
    this.#publish();
    await this.#passed(networkId);
  };

  problem = (networkId: string): string | undefined => {
    const description = this.#described.get(networkId);
    if (description === undefined) return 'the managers have told nothing of it yet';
    const view = viewOf(description, [], this.#underlay());
    return typeof view === 'string' ? view : undefined;
  };

  endpoints = (): readonly LocalEndpoint[] => this.#store.all();

  sweep = (): void => {
    for (const endpoint of this.#store.all()) {
      const { endpointId, networkId, sandboxKey } = endpoint;
      if (sandboxKey !== undefined && (isNamespace(sandboxKey) || this.#isStarting(endpointId))) continue;
      if (sandboxKey !== undefined) {
        this.#logger.info({ endpoint: endpointId, network: networkId }, 'the container of an endpoint is gone');
        this.#store.put({ ...endpoint, sandboxKey: undefined, interfaceName: undefined });
      }
      // The engine may not know it any more either; if it does, deleting nothing is no error.
      if (sandboxKey !== undefined && !this.#isAttached(endpoint)) this.#store.delete(endpointId);
      this.#networks.get(networkId)?.refresh();
      this.#reconciler.mark(networkId);
    }
    this.#publish();
  };

  status = (): OverlaysStatus => {
    const networks = [...this.#networks.values()].map((network) => {
      const { id } = network.desired;
      const said = this.#publisher.said(id);
      return networkStatus(network, this.#path(id), this.#store.of(id), said, this.#feed.unreadable(id));
    });
    const { open, mended, total } = this.#drift;
    return {
      hasGossip: this.#publisher.tables !== undefined,
      networks: networks.sort((a, b) => (a.name < b.name ? -1 : 1)),
      drift: { open, mended: [...mended], total },
    };
  };

  close = async (): Promise<void> => {
    clearInterval(this.#tick);
    for (const timer of this.#namings) clearTimeout(timer);
    this.#endWatch();
    await this.#reconciler.stop();
    for (const network of this.#networks.values()) network.close();
    for (const waiters of this.#waiters.values()) for (const wake of waiters) wake();
    this.#networks.clear();
    this.#host[Symbol.dispose]();
  };

  async #pass(networkId: string): Promise<void> {
    if (this.#desired === undefined) return;
    const waiters = this.#waiters.get(networkId) ?? [];
    this.#waiters.delete(networkId);
    try {
      await this.#hostSeen;
      const description = this.#description(networkId);
      if (description === undefined) return await this.#end(networkId);
      const network = this.#networks.get(networkId) ?? this.#create(description);
      await network.pass();
      if ((network.last?.failures.length ?? 0) > 0) this.#reconciler.mark(networkId, RETRY_MS);
    } finally {
      for (const wake of waiters) wake();
    }
  }

  /** Resolves at the end of a pass that begins after now. */
  #passed(networkId: string): Promise<void> {
    if (this.#desired === undefined) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.set(networkId, [...(this.#waiters.get(networkId) ?? []), resolve]);
    this.#reconciler.mark(networkId);
    return promise;
  }

  #create(description: DesiredNetwork): OverlayNetwork {
    const { id, name } = description;
    const network = new OverlayNetwork(
      {
        host: this.#host,
        path: this.#path(id),
        clock: this.#clock,
        logger: this.#logger.child({ network: id, networkName: name }),
        drift: this.#drift,
        underlay: () => this.#underlay(),
        endpoints: () => this.#store.of(id),
        standing: () => this.#publisher.tables?.standing(id),
        told: (event) => this.#told(id, event),
      },
      description,
    );
    this.#networks.set(id, network);
    const { tables } = this.#publisher;
    if (tables !== undefined) this.#feed.load(network, tables);
    return network;
  }

  #told(networkId: string, event: KernelEvent | 'overrun'): void {
    const network = this.#networks.get(networkId);
    const due = network && dueAfter(event, network);
    if (network === undefined || due === undefined) return;
    if (due === 'full') network.demandFull();
    else network.demandLinks();
    // Changes come in swarms, our own too: one look for all.
    this.#reconciler.mark(networkId, DEBOUNCE_MS);
  }

  async #end(networkId: string): Promise<void> {
    const network = this.#networks.get(networkId);
    const isHere = network !== undefined || isNamespace(this.#path(networkId));
    this.#networks.delete(networkId);
    if (!this.#desired?.networks.some(({ id }) => id === networkId)) this.#described.delete(networkId);
    this.#feed.forget(networkId);
    this.#publish();
    if (!isHere) return;
    await (network ?? this.#create(leftover(networkId))).end();
    this.#networks.delete(networkId);
    this.#logger.info({ network: networkId }, 'overlay network ended on this node');
  }

  /** The network as it is wanted here, if it is: as long as something is, or is to be, on it. */
  #description(networkId: string): DesiredNetwork | undefined {
    const description = this.#described.get(networkId);
    if (description === undefined) return undefined;
    const isUsed = this.#desired?.attachments.some((one) => one.networkId === networkId);
    return isUsed || this.#store.of(networkId).length > 0 ? description : undefined;
  }

  /** Networks that are wanted, were wanted, or left something here. */
  #known(): Set<string> {
    const left = readdirSync(this.#namespaces).flatMap((file) => networkOfNamespace(file) ?? []);
    const attached = this.#desired?.attachments.map(({ networkId }) => networkId) ?? [];
    return new Set([...this.#networks.keys(), ...this.#described.keys(), ...left, ...attached]);
  }

  #publish(): void {
    const { vtep, attachments } = this.#desired ?? {};
    if (vtep === undefined || attachments === undefined) return;
    const wanted = new Map<string, OwnRows>();
    for (const id of this.#described.keys()) {
      if (this.#description(id) === undefined || this.problem(id) !== undefined) continue;
      wanted.set(id, ownRows(this.#store.of(id), attachments, vtep, this.#publisher.said(id)));
    }
    const { tables } = this.#publisher;
    for (const id of this.#publisher.publish(wanted)) {
      const network = this.#networks.get(id);
      if (network === undefined || tables === undefined) continue;
      this.#feed.load(network, tables);
      this.#reconciler.mark(id);
    }
  }

  async #lookAtHost(): Promise<void> {
    try {
      const { underlay } = await this.#host.facts();
      if (underlay !== undefined && this.#localVtep !== this.#host.vtep) {
        this.#localVtep = this.#host.vtep;
        for (const network of this.#networks.values()) network.demandLinks();
      }
      for (const network of this.#networks.values()) await network.check();
    } catch (error) {
      this.#logger.warn({ reason: errorText(error) }, 'cannot look at the links and routes of this host');
    }
  }

  #underlay(): Underlay {
    const { vtep = '', dataPathPort = 0 } = this.#desired ?? {};
    return { vtep, dataPathPort, isLocal: this.#localVtep === vtep };
  }

  /** Joined a moment ago, perhaps in an earlier life: the container's namespace may still come. */
  #isStarting(endpointId: string): boolean {
    const joinedAtMs = this.#joinedAtMs.get(endpointId) ?? this.#startedAtMs;
    return this.#clock.monotonicMs() - joinedAtMs < START_GRACE_MS;
  }

  #isAttached({ networkId, address }: LocalEndpoint): boolean {
    return this.#desired?.attachments.some((one) => one.networkId === networkId && one.address === address) ?? true;
  }

  #onTick(): void {
    this.#ticks++;
    const isFullDue = this.#ticks % FULL_EVERY_TICKS === 0;
    if (isFullDue && this.#desired !== undefined) {
      this.sweep();
      for (const id of this.#known()) this.#reconciler.mark(id);
      void this.#lookAtHost();
      for (const { endpointId } of this.#store.all()) void this.#name(endpointId);
    }
    for (const network of this.#networks.values()) {
      const isNamed = network.namespace?.isNamed() ?? true;
      const isHoldOver = network.isHoldOver();
      if (isFullDue || isHoldOver) network.demandFull();
      if (!isNamed) network.demandLinks();
      if (isFullDue || isHoldOver || !isNamed) this.#reconciler.mark(network.desired.id);
    }
  }

  #nameLater(endpointId: string): void {
    const timer = setTimeout(() => {
      this.#namings.delete(timer);
      void this.#name(endpointId);
    }, MOVED_AFTER_MS);
    timer.unref();
    this.#namings.add(timer);
  }

  /** Learns what the engine named the interface in the container: to make it anew, should somebody delete it. */
  async #name(endpointId: string): Promise<void> {
    const endpoint = this.#store.get(endpointId);
    if (endpoint?.sandboxKey === undefined || endpoint.interfaceName !== undefined) return;
    try {
      const interfaceName = await findInterface(endpoint.sandboxKey, endpointId);
      const now = this.#store.get(endpointId);
      if (interfaceName === undefined || now?.sandboxKey !== endpoint.sandboxKey) return;
      this.#store.put({ ...now, interfaceName });
    } catch (error) {
      this.#logger.debug({ endpoint: endpointId, reason: errorText(error) }, 'cannot look into the container');
    }
  }

  #path(networkId: string): string {
    return join(this.#namespaces, namespaceName(networkId));
  }
}

function routesOf({ address }: LocalEndpoint, { subnets }: DesiredNetwork): StaticRoute[] {
  const own = parseCidr(address);
  const cidrs = subnets.flatMap(({ subnet }) => parseCidr(subnet) ?? []);
  const index = own && subnetIndex(cidrs, own.address, own.length);
  return index === undefined ? [] : siblingRoutes(subnets, index);
}

function unknownNetwork(networkId: string): NetdError {
  return new NetdError('no-network', `the managers have told nothing of network ${networkId} yet`);
}

function refused({ name }: DesiredNetwork, problem: string): NetdError {
  return new NetdError('network-refused', `network ${name} cannot be used on this node: ${problem}`);
}

/** A network nobody describes any more, to end what is left of it. */
function leftover(id: string): DesiredNetwork {
  return {
    id,
    name: id,
    subnets: [],
    underlayMtu: undefined,
    internal: false,
    attachable: false,
    ingress: false,
    encrypted: false,
    loadBalancerAddress: undefined,
  };
}
