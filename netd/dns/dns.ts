import type { Clock } from '#base/clock.ts';
import { errorChain } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { createReconciler } from '#base/reconciler.ts';
import type { DesiredAttachment } from '../desired.ts';
import { Container, type ContainerDns, type ContainerStatus } from './container.ts';
import { addCounters, type Counters, newCounters } from './counters.ts';
import { type Explanation, explain } from './explain.ts';
import { readHostResolvConf } from './host-servers.ts';
import { Records, type RowSource } from './records.ts';
import type { ResolvConf } from './resolv-conf.ts';

export interface DnsDeps {
  /** Rows of the other nodes. */
  readonly rows: RowSource;
  /** Gossip name of this node. */
  readonly self: () => string;
  readonly clock: Clock;
  /** Order of addresses in replies. */
  readonly random: Random;
  readonly log: Logger;
  /** The host's servers; read from its resolv.conf unless given. */
  readonly hostResolvConf?: () => ResolvConf;
  /** Port of the servers; 53 but in tests. */
  readonly upstreamPort?: number;
}

export interface DnsStatus {
  readonly hostServers: readonly string[];
  readonly containers: readonly ContainerStatus[];
  /** Of all containers since the start, those that are gone included. */
  readonly counters: Readonly<Counters>;
}

/** The resolvers of the containers of this node, and the names they answer from. */
export interface Dns {
  /**
   * A container is to be served; called again with other facts it changes what it is answered, without a gap. Resolves when
   * the resolver stands, and rejects when it does not yet: it is tried again all the same.
   */
  readonly attach: (container: ContainerDns) => Promise<void>;
  /** A container is served no more: what the engine's resolver knows is what it gets. One unknown is fine. */
  readonly detach: (sandboxKey: string) => Promise<void>;
  /** What the containers of this node answer to: always all of it. A task that is not to be found is gone at once. */
  readonly setLocal: (attachments: readonly DesiredAttachment[]) => void;
  readonly status: () => DnsStatus;
  /** Why a container is answered as it is; undefined for a container that is not served. @param type of codes.ts */
  readonly lookup: (sandboxKey: string, name: string, type: number) => Explanation | undefined;
  /** Ends all resolvers; the engine's take over. */
  readonly close: () => Promise<void>;
}

/** How often each container is looked at, in milliseconds: is the namespace at its path the one that is served? */
const PASS_EVERY_MS = 5000;
const RETRY_MS = 1000;
/** Passes at once: each may start a process. */
const MAX_PASSES = 4;
/** All names are compared with all rows this often, in milliseconds: by versions, which takes some 5 for 10,000 of them. */
const RESYNC_EVERY_MS = 60_000;
/** The host's resolv.conf is read again after this long, in milliseconds. */
const HOST_FILE_MS = 10_000;

export function createDns(deps: DnsDeps): Dns {
  const { clock, log, hostResolvConf = readHostResolvConf } = deps;
  const records = new Records(deps.rows, deps.self);
  const containers = new Map<string, Container>();
  /** What the resolvers of containers that are gone have counted. */
  const gone = newCounters();
  let host: { readonly conf: ResolvConf; readonly readMs: number } | undefined;

  const hostConf = () => {
    const nowMs = clock.monotonicMs();
    if (host === undefined || nowMs - host.readMs > HOST_FILE_MS) host = { conf: readHost(), readMs: nowMs };
    return host.conf;
  };
  const readHost = () => {
    try {
      return hostResolvConf();
    } catch (error) {
      log.warn({ error: errorChain(error) }, 'the resolv.conf of the host cannot be read; its last servers are kept');
      return host?.conf ?? { servers: [], search: [], ndotsExplicit: false };
    }
  };

  const pass = async (sandboxKey: string) => {
    const container = containers.get(sandboxKey);
    if (container === undefined) return;
    const { end } = await container.pass();
    if (end === 'gone') {
      log.info({ sandbox: sandboxKey }, 'the namespace of a container is gone, and so is its resolver');
      await forget(sandboxKey);
    } else reconciler.mark(sandboxKey, PASS_EVERY_MS);
  };
  const reconciler = createReconciler({
    pass,
    onError: (sandboxKey, error) =>
      log.warn({ sandbox: sandboxKey, error: errorChain(error) }, 'a container has no resolver of ours; trying again'),
    concurrency: MAX_PASSES,
    retryMs: RETRY_MS,
  });

  const scope = new AbortController();
  const resync = async () => {
    for (;;) {
      await clock.sleep(RESYNC_EVERY_MS, scope.signal);
      const mended = records.resync();
      if (mended > 0) log.warn({ mended }, 'names did not agree with the rows of the networks, and do again');
    }
  };
  resync().catch((error: unknown) => {
    if (!scope.signal.aborted) log.error({ error: errorChain(error) }, 'names are not compared with the rows any more');
  });

  const forget = async (sandboxKey: string) => {
    reconciler.forget(sandboxKey);
    const container = containers.get(sandboxKey);
    containers.delete(sandboxKey);
    if (container === undefined) return;
    addCounters(gone, container.status().counters);
    container.close();
  };

  return {
    attach: async (wanted) => {
      const known = containers.get(wanted.sandboxKey);
      const container = known ?? new Container(wanted, { ...deps, records, hostConf });
      containers.set(wanted.sandboxKey, container);
      container.set(wanted);
      const settled = container.settled();
      reconciler.mark(wanted.sandboxKey);
      await settled;
    },
    detach: forget,
    setLocal: (attachments) => records.setLocal(attachments),
    status: () => {
      const all = [...containers.values()].map((container) => container.status());
      const counters = { ...gone };
      for (const one of all) addCounters(counters, one.counters);
      return { hostServers: hostConf().servers, containers: all, counters };
    },
    lookup: (sandboxKey, name, type) => {
      const container = containers.get(sandboxKey);
      return container && explain(container.zone, container.upstreams(), name, type);
    },
    close: async () => {
      scope.abort();
      await reconciler.stop();
      for (const container of containers.values()) container.close();
      containers.clear();
      records.close();
    },
  };
}
