import type { GossipDetail } from '#agent/api/gossip-facts.ts';
import type {
  DnsDetail,
  DriftDetail,
  DriftFact,
  DriftSummaryFact,
  EndpointFact,
  LookupDetail,
  NetworkDetailFact,
  NetworkSummaryFact,
  NetworksDetail,
  NetworksFact,
  PathDetail,
  RecurringDriftFact,
} from '#agent/api/network-facts.ts';
import { isoTime, isoTimeOrNull } from '#agent/api/view.ts';
import type { LocalContainer } from '#netd/local-containers.ts';
import type { ContainerLookup, NodeNetworkStatus } from '#netd/node-network.ts';
import type { Drift } from '#netd/overlay/drift.ts';
import type { NetworkStatus } from '#netd/overlay/status.ts';
import { firstFault, type PathReport } from '#netd/path/hop.ts';

// What the network half says of itself, as the local API shows it.

/** Drift that was mended this often within ten minutes is somebody's doing. */
const RECURRING_TIMES = 3;
const RECURRING_WITHIN_MS = 10 * 60_000;

/** The networks in short. */
export function networksFact(status: NodeNetworkStatus, nowMs: number): NetworksFact {
  const { overlays, dns, driverProblem, containers } = status;
  const names = new Map(containers.map(({ sandboxKey, name }) => [sandboxKey, name]));
  return {
    driverProblem: driverProblem ?? null,
    networks: overlays.networks.map(summaryFact),
    drift: driftSummary(status, nowMs),
    passes: overlays.passes,
    dns: {
      containers: dns.containers.length,
      failed: dns.containers.flatMap(({ sandboxKey, state, error }) =>
        state === 'failed' ? [{ container: names.get(sandboxKey) ?? sandboxKey, error: error ?? '' }] : [],
      ),
      counters: dns.counters,
    },
  };
}

/** The same in full. */
export function networksDetail(
  { overlays, driverProblem, containers }: NodeNetworkStatus,
  { peers }: Pick<GossipDetail, 'peers'>,
): NetworksDetail {
  const states = new Map(peers.map(({ name, state }) => [name, state]));
  return {
    driverProblem: driverProblem ?? null,
    networks: overlays.networks.map((network) => detailFact(network, containers, states)),
  };
}

export function dnsDetail({ dns, containers }: NodeNetworkStatus): DnsDetail {
  const list = dns.containers.map(({ sandboxKey, state, error, ndotsExplicit: _, ...rest }) => {
    const container = containers.find((one) => one.sandboxKey === sandboxKey);
    return {
      container: container?.name ?? sandboxKey,
      taskId: container?.taskId ?? null,
      sandbox: sandboxKey,
      state,
      error: error ?? null,
      ...rest,
    };
  });
  return { hostServers: dns.hostServers, containers: list.sort((a, b) => (a.container < b.container ? -1 : 1)) };
}

export function driftDetail(status: NodeNetworkStatus, nowMs: number): DriftDetail {
  const nameOf = networkNames(status);
  return {
    ...driftSummary(status, nowMs),
    mended: status.overlays.drift.mended.map((drift) => driftFact(drift, nameOf)),
  };
}

export function lookupDetail({ container, explanation }: ContainerLookup): LookupDetail {
  return { container: container.name, explanation: explanation ?? null };
}

export function pathDetail(report: PathReport): PathDetail {
  const fault = firstFault(report);
  return { ...report, fault: fault === undefined ? null : { address: fault.walk?.address ?? null, hop: fault.hop } };
}

function summaryFact({ id, name, state, reason, endpoints, rows, findings }: NetworkStatus): NetworkSummaryFact {
  const remote = { wanted: rows.wanted, programmed: rows.programmed };
  return { id, name, state, reason: reason ?? null, endpoints: endpoints.length, remote, findings };
}

function detailFact(
  network: NetworkStatus,
  containers: readonly LocalContainer[],
  states: ReadonlyMap<string, string>,
): NetworkDetailFact {
  const { id, name, state, reason, internal, mtu, namespace, subnets, rows, findings, hold, adoption } = network;
  const { lastPass, drifted } = network;
  return {
    id,
    name,
    state,
    reason: reason ?? null,
    internal,
    mtu: mtu ?? null,
    namespace,
    subnets,
    endpoints: network.endpoints.map((endpoint) => endpointFact(endpoint, containers)),
    peers: network.peers.map(({ vtep, owners, addresses }) => ({
      vtep,
      nodes: owners.map((owner) => ({ name: owner, state: states.get(owner) ?? 'forgotten' })),
      addresses,
    })),
    rows,
    findings,
    hold: hold ?? null,
    adoption: adoption ?? null,
    lastPass: lastPass
      ? { at: isoTime(lastPass.atMs), tookMs: lastPass.tookMs, ops: lastPass.ops, failures: lastPass.failures }
      : null,
    drifted,
  };
}

function endpointFact(
  endpoint: NetworkStatus['endpoints'][number],
  containers: readonly LocalContainer[],
): EndpointFact {
  const { endpointId, address, mac, sandboxKey, interfaceName, port, isPeerPublished, endpointRow } = endpoint;
  const container = containers.find((one) => one.sandboxKey === sandboxKey);
  return {
    id: endpointId,
    container: container?.name ?? null,
    taskId: container?.taskId ?? null,
    address,
    mac,
    interface: interfaceName ?? null,
    sandbox: sandboxKey ?? null,
    port: port ?? null,
    published: isPeerPublished,
    row: endpointRow,
  };
}

function driftSummary(status: NodeNetworkStatus, nowMs: number): DriftSummaryFact {
  const { open, mended, total, counts } = status.overlays.drift;
  const nameOf = networkNames(status);
  return {
    total,
    counts,
    open: open.map((drift) => driftFact(drift, nameOf)),
    recurring: recurring(mended, nameOf, nowMs),
  };
}

function recurring(mended: readonly Drift[], nameOf: (id: string) => string, nowMs: number): RecurringDriftFact[] {
  const lately = mended.filter(({ mendedMs }) => nowMs - (mendedMs ?? 0) < RECURRING_WITHIN_MS);
  const groups = [...Map.groupBy(lately, ({ network, what }) => `${network} ${what}`).values()];
  return groups
    .flatMap((group) => {
      const [first] = group;
      if (first === undefined || group.length < RECURRING_TIMES) return [];
      const { network, what, sinceMs } = first;
      return [{ network: nameOf(network), what, times: group.length, since: isoTime(sinceMs) }];
    })
    .sort((a, b) => b.times - a.times);
}

function driftFact({ network, what, sinceMs, how, mendedMs, error }: Drift, nameOf: (id: string) => string): DriftFact {
  const times = { since: isoTime(sinceMs), mendedAt: isoTimeOrNull(mendedMs) };
  return { network: nameOf(network), what, ...times, how, error: error ?? null };
}

function networkNames({ overlays }: NodeNetworkStatus): (id: string) => string {
  const names = new Map(overlays.networks.map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? id;
}
