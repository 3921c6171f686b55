import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { errorChain, errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { DesiredNetworks } from './desired.ts';
import { createDns, type DnsStatus } from './dns/dns.ts';
import type { Explanation } from './dns/explain.ts';
import { dnsContainers } from './dns-containers.ts';
import { startDriverService } from './driver/driver-service.ts';
import { NETD_DRIVER } from './driver/options.ts';
import { createOverlayDriver, type DriverAgent } from './driver/overlay-driver.ts';
import type { GossipNode } from './gossip/node.ts';
import { isNamespace } from './kernel/netns.ts';
import { findContainer, type LocalContainer, localContainers } from './local-containers.ts';
import type { LocalEndpoint } from './overlay/endpoint.ts';
import { createOverlays } from './overlay/overlays.ts';
import type { OverlaysStatus } from './overlay/status.ts';
import type { PathReport } from './path/hop.ts';
import { type PathGossip, tracePath } from './path/path.ts';
import { TableSource } from './table-source.ts';

/** The overlay networks of this host: what containers are on them, what the kernel has of them, and what names they find. */
export interface NodeNetwork {
  /** The whole wish. Until the first one, what an earlier run left is left as it is. */
  readonly setDesired: (desired: DesiredNetworks) => void;
  /** The gossip of now; undefined while there is none. */
  readonly setGossip: (node: GossipNode | undefined) => void;
  /** Why containers cannot be put on that network now; undefined if they can. */
  readonly problem: (networkId: string) => string | undefined;
  /** The endpoints of containers of this host, also those of an earlier run. */
  readonly endpoints: () => readonly LocalEndpoint[];
  /** The engine came back: containers may have ended without a word. */
  readonly engineUp: () => void;
  readonly status: () => NodeNetworkStatus;
  /** Why a container here is answered as it is when it asks for a name. @param type of dns/codes.ts @throws NetdError */
  readonly lookup: (container: string, name: string, type: number) => ContainerLookup;
  /** What a packet meets on its way from a container here to a name or an address. @throws NetdError */
  readonly path: (from: string, to: string) => Promise<PathReport>;
  /** Ends what works here. The kernel keeps what it has: packets go on. */
  readonly close: () => Promise<void>;
}

export interface NodeNetworkStatus {
  /** Why the engine cannot call netd, if it cannot. */
  readonly driverProblem: string | undefined;
  readonly overlays: OverlaysStatus;
  readonly dns: DnsStatus;
  /** Containers on networks of the swarm, by name. */
  readonly containers: readonly LocalContainer[];
}

export interface ContainerLookup {
  readonly container: LocalContainer;
  /** Undefined if no resolver of netd serves the container. */
  readonly explanation: Explanation | undefined;
}

export interface NodeNetworkOptions {
  readonly runDir: string;
  /** Where the engine looks for drivers. */
  readonly pluginDir: string;
  readonly agent: DriverAgent;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How often the namespace of a container that starts is looked for, and for how long. */
const SANDBOX_LOOK_MS = 5;
const SANDBOX_LIMIT_MS = 20_000;

/** Starts what works for the networks of this host; there are none before the first wish, or an earlier run made some. */
export async function startNodeNetwork(options: NodeNetworkOptions): Promise<NodeNetwork> {
  const { runDir, pluginDir, agent, clock, random, log } = options;
  const source = new TableSource();
  const overlays = createOverlays({ runDir, clock, logger: log });
  const dns = createDns({ rows: source, self: () => source.self(), clock, random, log });
  let desired: DesiredNetworks | undefined;
  /** What each container's resolver was last told, as text: telling the same again would cost a look at its namespace. */
  const told = new Map<string, string>();
  /** Namespaces of containers that are just starting. */
  const awaited = new Set<string>();
  const stopped = new AbortController();

  const serveNames = async (): Promise<void> => {
    if (desired === undefined) return;
    const there = overlays.endpoints().filter(({ sandboxKey }) => sandboxKey !== undefined && isNamespace(sandboxKey));
    const wanted = dnsContainers(there, desired);
    const kept = new Set(wanted.map(({ sandboxKey }) => sandboxKey));
    const gone = [...told.keys()].filter((key) => !kept.has(key));
    for (const key of gone) told.delete(key);
    const work = gone.map((key) => dns.detach(key));
    for (const container of wanted) {
      const text = JSON.stringify(container);
      if (told.get(container.sandboxKey) === text) continue;
      told.set(container.sandboxKey, text);
      work.push(dns.attach(container));
    }
    const failed = (await Promise.allSettled(work)).filter((result) => result.status === 'rejected');
    // The container has the engine's resolver meanwhile, and ours is tried again by itself.
    for (const { reason } of failed) log.warn({ error: errorChain(reason) }, 'a container has no resolver of ours yet');
  };

  /**
   * The engine joins first and makes the namespace then, a moment before the process in it starts: by that moment names
   * should be served, so it is looked for often.
   */
  const serveWhenThere = async (sandboxKey: string): Promise<void> => {
    const untilMs = clock.monotonicMs() + SANDBOX_LIMIT_MS;
    while (!isNamespace(sandboxKey)) {
      if (clock.monotonicMs() > untilMs || !overlays.endpoints().some((one) => one.sandboxKey === sandboxKey)) return;
      await clock.sleep(SANDBOX_LOOK_MS, stopped.signal);
    }
    await serveNames();
  };

  const onChange = (): void => {
    for (const { sandboxKey } of overlays.endpoints()) {
      if (sandboxKey === undefined || told.has(sandboxKey) || awaited.has(sandboxKey)) continue;
      awaited.add(sandboxKey);
      serveWhenThere(sandboxKey)
        .catch((error: unknown) => log.debug({ sandbox: sandboxKey, error: errorText(error) }, 'not served'))
        .finally(() => awaited.delete(sandboxKey));
    }
    void serveNames();
  };

  const driver = createOverlayDriver({ overlays, agent, desired: () => desired, clock, onChange, log });
  const service = await startDriverService({
    socketPath: join(pluginDir, `${NETD_DRIVER}.sock`),
    driver,
    clock,
    log,
  });

  return {
    setDesired: (next) => {
      desired = next;
      overlays.set(next);
      dns.setLocal(next.attachments);
      void serveNames();
    },
    setGossip: (node) => {
      source.set(node);
      overlays.setTables(node?.tables);
    },
    problem: (networkId) => service.problem() ?? overlays.problem(networkId),
    endpoints: overlays.endpoints,
    engineUp: overlays.sweep,
    status: () => ({
      driverProblem: service.problem(),
      overlays: overlays.status(),
      dns: dns.status(),
      containers: localContainers(overlays.endpoints(), desired),
    }),
    lookup: (asked, name, type) => {
      const container = findContainer(localContainers(overlays.endpoints(), desired), asked);
      return { container, explanation: dns.lookup(container.sandboxKey, name, type) };
    },
    path: (from, to) => tracePath({ overlays, dns, gossip: pathGossip(source), desired: () => desired }, from, to),
    close: async () => {
      stopped.abort(new Error('netd is stopping'));
      await service.close();
      await dns.close();
      await overlays.close();
    },
  };
}

function pathGossip(source: TableSource): PathGossip {
  return {
    snapshot: (networkId) => source.snapshot(networkId),
    peers: () => source.node?.view().peers,
  };
}
