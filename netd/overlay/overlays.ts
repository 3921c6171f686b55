import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '#base/clock.ts';
import { errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createReconciler, type Reconciler } from '#base/reconciler.ts';
import type { DesiredNetwork, DesiredNetworks } from '../desired.ts';
import type { KernelEvent } from '../kernel/netlink/event.ts';
import { isNamespace } from '../kernel/netns.ts';
import { DriftLog } from './drift.ts';
import type { LocalEndpoint } from './endpoint.ts';
import type { EndpointWish } from './endpoint-checks.ts';
import { EndpointLife, type JoinedEndpoint } from './endpoint-life.ts';
import { EndpointStore } from './endpoint-store.ts';
import { Host } from './host.ts';
import { namespaceName, networkOfNamespace } from './names.ts';
import { endNamespace } from './namespace.ts';
import { OverlayNetwork } from './network.ts';
import { dueAfter } from './network-events.ts';
import { type OwnRows, ownRows } from './own-rows.ts';
import { type OverlayTables, Publisher } from './publisher.ts';
import { RowsFeed } from './rows-feed.ts';
import { networkStatus, type OverlaysStatus } from './status.ts';
import { type WantedWay, wantedWay } from './wanted-way.ts';
import { Wishes } from './wishes.ts';

export interface OverlaysDeps {
  /** The run directory, such as `/run/netd`: namespaces and endpoints live below it. */
  readonly runDir: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** File of the namespace the VTEP is in; that of this process unless given. */
  readonly hostNamespace?: string;
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
  /** How an address is to be reached on a network; undefined for a network that is not here. */
  readonly trace: (networkId: string, ip: string) => WantedWay | undefined;
  /** Ends the passes. The kernel keeps what it has: packets go on. */
  readonly close: () => Promise<void>;
}

const NAMESPACES = 'netns';
const ENDPOINTS = 'endpoints';
/** The engine's namespaces, and those of ip-netns(8): where a vxlan device in our way may hide. */
const OTHER_NAMESPACES = ['/run/docker/netns', '/var/run/docker/netns', '/run/netns'];
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

/** @throws KernelError, system errors: without a run directory and a host namespace there are no overlays */
export function createOverlays(deps: OverlaysDeps): Overlays {
  return new NodeOverlays(deps);
}

class NodeOverlays implements Overlays {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #namespaces: string;
  readonly #store: EndpointStore;
  readonly #wishes: Wishes;
  readonly #life: EndpointLife;
  readonly #host: Host;
  readonly #drift = new DriftLog();
  readonly #feed = new RowsFeed();
  readonly #publisher: Publisher;
  readonly #networks = new Map<string, OverlayNetwork>();
  readonly #waiters = new Map<string, (() => void)[]>();
  readonly #reconciler: Reconciler;
  /** Rows of networks compared with the kernel, beside the passes; one network at a time is soon enough. */
  readonly #sweeps: Reconciler;
  readonly #tick: NodeJS.Timeout;
  /** Whether the VTEP is ours decides what devices are like: no pass before it is known. */
  #hostSeen: Promise<void> = Promise.resolve();
  #endWatch: () => void = () => undefined;
  #ticks = 0;
  readonly #passes = { done: 0, failed: 0 };

  constructor({ runDir, logger, clock = systemClock, hostNamespace }: OverlaysDeps) {
    this.#logger = logger;
    this.#clock = clock;
    this.#namespaces = join(runDir, NAMESPACES);
    mkdirSync(this.#namespaces, { recursive: true, mode: 0o700 });
    this.#store = new EndpointStore(join(runDir, ENDPOINTS), logger);
    this.#wishes = new Wishes((networkId) => this.#store.of(networkId));
    this.#publisher = new Publisher(logger);
    this.#host = new Host({
      namespace: hostNamespace,
      namespaceDirectories: [...OTHER_NAMESPACES, this.#namespaces],
      isWanted: (networkId) => this.#wishes.wanted(networkId) !== undefined,
    });
    this.#life = new EndpointLife({
      store: this.#store,
      host: this.#host,
      wishes: this.#wishes,
      logger,
      clock,
      path: (networkId) => this.#path(networkId),
      passed: (networkId) => this.#passed(networkId),
      failureOf: ({ networkId, endpointId }) => this.#networks.get(networkId)?.failureOf(endpointId),
      mark: (networkId) => this.#refresh(networkId),
      begin: (networkId) => {
        if (this.#networks.get(networkId)?.namespace === undefined) this.#refresh(networkId);
      },
      publish: () => this.#publish(),
    });
    this.#reconciler = createReconciler({
      pass: (networkId) => this.#pass(networkId),
      onError: (networkId, error) => logger.error({ network: networkId, err: error }, 'overlay pass failed'),
      concurrency: CONCURRENCY,
      retryMs: RETRY_MS,
    });
    this.#sweeps = createReconciler({
      pass: async (id) => {
        if (await this.#networks.get(id)?.sweep()) this.#reconciler.mark(id);
      },
      onError: (network, err) => logger.warn({ network, err }, 'rows cannot be compared with the kernel; trying again'),
      concurrency: 1,
      retryMs: RETRY_MS,
    });
    this.#tick = setInterval(() => this.#onTick(), TICK_MS);
    this.#tick.unref();
  }

  set = (desired: DesiredNetworks): void => {
    const isFirst = !this.#wishes.isKnown;
    const changed = this.#wishes.set(desired);
    this.#host.vtep = desired.vtep;
    // Wishes come with every step of every task: what they leave as it is need not be looked at again.
    const isHostDue = changed === 'all' || changed.size > 0 || !this.#wishes.underlay.isLocal;
    if (isHostDue) this.#hostSeen = this.#lookAtHost();
    if (isFirst) this.#begin();
    for (const id of changed === 'all' ? this.#known() : changed) this.#refresh(id);
    this.#publish();
  };

  setTables = (tables: OverlayTables | undefined): void => {
    this.#endWatch();
    this.#publisher.setTables(tables);
    const ended = tables?.watch((networkId, changes) => {
      const network = this.#networks.get(networkId);
      if (network !== undefined && this.#feed.take(network, changes)) this.#reconciler.mark(networkId);
    });
    this.#endWatch = () => ended?.();
    this.#publish();
    for (const network of this.#networks.values()) {
      if (tables !== undefined) this.#feed.load(network, tables);
      network.demandAll();
      this.#reconciler.mark(network.desired.id);
    }
  };

  createEndpoint = async (wish: EndpointWish): Promise<{ readonly address: string; readonly mac: string }> => {
    const { address, mac } = this.#life.create(wish);
    return { address, mac };
  };

  joinEndpoint = (endpointId: string, sandboxKey: string): Promise<JoinedEndpoint> =>
    this.#life.join(endpointId, sandboxKey);

  leaveEndpoint = (endpointId: string): Promise<void> => this.#life.leave(endpointId);

  deleteEndpoint = (endpointId: string): Promise<void> => this.#life.delete(endpointId);

  deleteNetwork = async (networkId: string): Promise<void> => {
    for (const { endpointId, sandboxKey } of this.#store.of(networkId)) {
      if (sandboxKey === undefined) this.#store.delete(endpointId);
    }
    this.#publish();
    await this.#passed(networkId);
  };

  problem = (networkId: string): string | undefined => this.#life.problem(networkId);

  endpoints = (): readonly LocalEndpoint[] => this.#store.all();

  sweep = (): void => {
    this.#life.sweep().catch((error: unknown) => {
      this.#logger.warn({ reason: errorText(error) }, 'cannot look for containers that are gone');
    });
  };

  status = (): OverlaysStatus => {
    const networks = [...this.#networks.values()].map((network) => {
      const { id } = network.desired;
      const said = this.#publisher.said(id);
      const [unreadable, drifted] = [this.#feed.unreadable(id), this.#drift.found(id)];
      return networkStatus(network, this.#path(id), this.#store.of(id), said, unreadable, drifted);
    });
    const { open, mended, total, counts } = this.#drift;
    return {
      hasGossip: this.#publisher.tables !== undefined,
      networks: networks.sort((a, b) => (a.name < b.name ? -1 : 1)),
      drift: { open, mended: [...mended], total, counts },
      passes: { ...this.#passes },
    };
  };

  trace = (networkId: string, ip: string): WantedWay | undefined => {
    const network = this.#networks.get(networkId);
    return network && wantedWay(network, this.#path(networkId), this.#store.of(networkId), ip);
  };

  close = async (): Promise<void> => {
    clearInterval(this.#tick);
    this.#life[Symbol.dispose]();
    this.#endWatch();
    await Promise.all([this.#reconciler.stop(), this.#sweeps.stop()]);
    for (const network of this.#networks.values()) network.close();
    for (const waiters of this.#waiters.values()) for (const wake of waiters) wake();
    this.#networks.clear();
    this.#host[Symbol.dispose]();
  };

  async #pass(networkId: string): Promise<void> {
    if (!this.#wishes.isKnown) return;
    const waiters = this.#waiters.get(networkId) ?? [];
    this.#waiters.delete(networkId);
    try {
      await this.#hostSeen;
      const description = this.#wishes.wanted(networkId);
      if (description === undefined) return await this.#end(networkId);
      const network = this.#networks.get(networkId) ?? this.#create(description);
      await network.pass(() => {
        for (const wake of waiters) wake();
      });
      this.#passes.done++;
      if ((network.last?.failures.length ?? 0) === 0) return;
      this.#passes.failed++;
      this.#reconciler.mark(networkId, RETRY_MS);
    } finally {
      for (const wake of waiters) wake();
    }
  }

  /** Resolves at the end of a pass that begins after now. */
  #passed(networkId: string): Promise<void> {
    if (!this.#wishes.isKnown) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.set(networkId, [...(this.#waiters.get(networkId) ?? []), resolve]);
    this.#refresh(networkId);
    return promise;
  }

  /** Wishes or endpoints of the network changed. */
  #refresh(networkId: string): void {
    this.#networks.get(networkId)?.refresh(this.#wishes.description(networkId));
    this.#reconciler.mark(networkId);
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
        underlay: () => this.#wishes.underlay,
        endpoints: () => this.#store.of(id),
        standing: () => this.#publisher.tables?.standing(id),
        told: (event) => this.#told(id, event),
      },
      description,
    );
    this.#networks.set(id, network);
    const { tables } = this.#publisher;
    if (tables !== undefined) this.#feed.load(network, tables);
    void this.#lookAtHost([network]);
    return network;
  }

  #told(networkId: string, event: KernelEvent | 'overrun'): void {
    const network = this.#networks.get(networkId);
    const due = network && dueAfter(event, network);
    if (network === undefined || due === undefined) return;
    if (event !== 'overrun' && event.topic === 'link') {
      if (event.isRemoval) this.sweep();
      else this.#life.linkChanged(networkId, network.linkOf(event.ifindex));
    }
    // Changes come in swarms, our own too: one look for all.
    if (due !== 'links') this.#sweeps.mark(networkId, DEBOUNCE_MS);
    if (due === 'rows') return;
    network.demandLinks();
    this.#reconciler.mark(networkId, DEBOUNCE_MS);
  }

  /** Nothing is on the network any more, or something is left of one that an earlier life had. */
  async #end(networkId: string): Promise<void> {
    const network = this.#networks.get(networkId);
    this.#wishes.forget(networkId);
    this.#feed.forget(networkId);
    this.#publish();
    if (network === undefined && !isNamespace(this.#path(networkId))) return;
    await endNamespace(this.#path(networkId), network?.namespace, this.#logger);
    this.#drift.forget(networkId);
    this.#sweeps.forget(networkId);
    this.#networks.delete(networkId);
    this.#logger.info({ network: networkId }, 'overlay network ended on this node');
  }

  /** Networks that are wanted, were wanted, or left something here. */
  #known(): Set<string> {
    const left = readdirSync(this.#namespaces).flatMap((file) => networkOfNamespace(file) ?? []);
    return new Set([...this.#networks.keys(), ...this.#wishes.networks, ...left]);
  }

  #publish(): void {
    if (!this.#wishes.isKnown) return;
    const { attachments, underlay } = this.#wishes;
    const wanted = new Map<string, OwnRows>();
    for (const id of this.#wishes.networks) {
      if (this.#wishes.wanted(id) === undefined || this.problem(id) !== undefined) continue;
      wanted.set(id, ownRows(this.#store.of(id), attachments, underlay.vtep, this.#publisher.said(id)));
    }
    const { tables } = this.#publisher;
    for (const id of this.#publisher.publish(wanted)) {
      const network = this.#networks.get(id);
      if (network === undefined || tables === undefined) continue;
      this.#feed.load(network, tables);
      this.#reconciler.mark(id);
    }
  }

  #begin(): void {
    this.sweep();
    try {
      this.#host.raiseNeighbourLimits();
    } catch (error) {
      this.#logger.warn({ reason: errorText(error) }, 'cannot raise the limits for neighbours (net.ipv4.neigh)');
    }
  }

  /** Looks at the host once, and compares networks with what is there; all of them unless given. */
  async #lookAtHost(networks: Iterable<OverlayNetwork> = this.#networks.values()): Promise<void> {
    try {
      const facts = await this.#host.facts();
      if (facts.underlay !== undefined && this.#wishes.sawVtep()) {
        for (const id of this.#networks.keys()) this.#refresh(id);
      }
      for (const network of networks) network.check(facts);
    } catch (error) {
      this.#logger.warn({ reason: errorText(error) }, 'cannot look at the links and routes of this host');
    }
  }

  #onTick(): void {
    if (!this.#wishes.isKnown) return;
    this.#ticks++;
    const isFullDue = this.#ticks % FULL_EVERY_TICKS === 0;
    if (isFullDue) {
      this.sweep();
      for (const id of this.#known()) this.#reconciler.mark(id);
      void this.#lookAtHost();
      for (const { endpointId } of this.#store.all()) void this.#life.learnName(endpointId);
    }
    for (const network of this.#networks.values()) {
      const isNamed = network.namespace?.isNamed() ?? true;
      const isHoldOver = network.isHoldOver();
      const hasForgotten = network.forgetLost();
      if (isFullDue || isHoldOver) network.demandAll();
      if (isFullDue) this.#sweeps.mark(network.desired.id);
      if (!isNamed) network.demandLinks();
      if (isFullDue || isHoldOver || hasForgotten || !isNamed) this.#reconciler.mark(network.desired.id);
    }
  }

  #path(networkId: string): string {
    return join(this.#namespaces, namespaceName(networkId));
  }
}
