import { type NetworksFact, OVERLAY_STATES } from '#agent/api/network-facts.ts';
import { type MetricFamily, single } from './metric-family.ts';

/**
 * The overlay networks and the resolvers of this host as metrics. Names of networks stay out, as all names do: their number
 * is not bounded; `netd inspect networks` has them.
 */
export function overlayMetrics({ networks, drift, passes, dns, driverProblem }: NetworksFact): readonly MetricFamily[] {
  const sum = (of: (network: NetworksFact['networks'][number]) => number) =>
    networks.reduce((total, network) => total + of(network), 0);
  const { answered, forwarded, failed, malformed } = dns.counters;
  const outcomes = { answered, forwarded, malformed };
  return [
    single(
      'gauge',
      'netd_overlay_driver_up',
      '1 if the engine can call the network driver.',
      driverProblem === null ? 1 : 0,
    ),
    {
      name: 'netd_overlay_networks',
      type: 'gauge',
      help: 'Overlay networks of this host by state.',
      samples: OVERLAY_STATES.map((state) => ({
        labels: { state },
        value: networks.filter((network) => network.state === state).length,
      })),
    },
    single(
      'gauge',
      'netd_overlay_endpoints',
      'Places of containers of this host on overlay networks.',
      sum(({ endpoints }) => endpoints),
    ),
    single(
      'gauge',
      'netd_overlay_peers',
      'Addresses of other hosts that are to have a way.',
      sum(({ remote }) => remote.wanted),
    ),
    single(
      'gauge',
      'netd_overlay_peers_programmed',
      'Neighbour rows that the kernel has for them.',
      sum(({ remote }) => remote.programmed),
    ),
    {
      name: 'netd_overlay_drift_repairs_total',
      type: 'counter',
      help: 'Differences found in the kernel that no wish of netd explains, by the kind of thing.',
      samples: Object.entries(drift.counts).map(([unit, value]) => ({ labels: { unit }, value })),
    },
    single('gauge', 'netd_overlay_drift_open', 'Differences that could not be mended yet.', drift.open.length),
    single('counter', 'netd_overlay_passes_total', 'Passes over overlay networks.', passes.done),
    single('counter', 'netd_overlay_failed_passes_total', 'Passes that the kernel refused part of.', passes.failed),
    single('gauge', 'netd_dns_containers', 'Containers whose names netd serves.', dns.containers),
    {
      name: 'netd_dns_queries_total',
      type: 'counter',
      help: 'Questions of containers: answered from the records, sent to a server, or malformed and told so.',
      samples: Object.entries(outcomes).map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
    single('counter', 'netd_dns_failed_total', 'Forwarded questions that no server answered.', failed),
    single('counter', 'netd_dns_truncated_total', 'Replies that did not fit and said so.', dns.counters.truncated),
    single('counter', 'netd_dns_ignored_total', 'Packets that got no reply: no question at all.', dns.counters.ignored),
  ];
}
