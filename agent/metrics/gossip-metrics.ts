import { GOSSIP_STATES, type GossipFact, MEMBER_STATES } from '#agent/api/gossip-facts.ts';
import { type MetricFamily, single } from './metric-family.ts';

/**
 * The gossip as metrics: its state always, the rest while it runs. Counters begin anew with each gossip name, as the process
 * metrics do with each process. Names and addresses of peers stay out: their number is not bounded.
 */
export function gossipMetrics({ state, node }: GossipFact): readonly MetricFamily[] {
  const value = (read: (of: NonNullable<typeof node>) => number) => (node === null ? null : read(node));
  return [
    {
      name: 'netd_gossip_state',
      type: 'gauge',
      help: 'How this node takes part in the gossip: 1 for the present state, 0 for the others.',
      samples: GOSSIP_STATES.map((one) => ({ labels: { state: one }, value: one === state ? 1 : 0 })),
    },
    {
      name: 'netd_gossip_members',
      type: 'gauge',
      help: 'The other nodes by what membership says of them.',
      samples: node === null ? [] : MEMBER_STATES.map((one) => ({ labels: { state: one }, value: node.members[one] })),
    },
    single(
      'gauge',
      'netd_gossip_health_score',
      'Doubts of this node in itself, 0 to 7.',
      value((of) => of.healthScore),
    ),
    single(
      'gauge',
      'netd_gossip_networks',
      'Networks this node is on.',
      value((of) => of.attached),
    ),
    single(
      'gauge',
      'netd_gossip_rows',
      'Rows of all tables held, gone ones included.',
      value((of) => of.rows),
    ),
    {
      name: 'netd_gossip_queued_messages',
      type: 'gauge',
      help: 'Messages being passed on, by queue.',
      samples:
        node === null
          ? []
          : [
              { labels: { queue: 'members' }, value: node.queues.members },
              { labels: { queue: 'network_events' }, value: node.queues.networkEvents },
              { labels: { queue: 'node_events' }, value: node.queues.nodeEvents },
            ],
    },
    single(
      'counter',
      'netd_gossip_queue_overflows_total',
      'Messages dropped because a queue was full.',
      value((of) => of.queues.overflows),
    ),
    {
      name: 'netd_gossip_bulk_syncs',
      type: 'gauge',
      help: 'Exchanges of whole tables under way, by stage.',
      samples:
        node === null
          ? []
          : (['queued', 'sending', 'awaited'] as const).map((stage) => ({
              labels: { stage },
              value: node.bulkSync[stage],
            })),
    },
    single(
      'counter',
      'netd_gossip_refused_messages_total',
      'Messages that could not be read or must not be listened to.',
      value((of) => of.refusedMessages),
    ),
    {
      name: 'netd_gossip_events_total',
      type: 'counter',
      help: 'What the tables have counted, and what has become known, by kind.',
      samples:
        node === null
          ? []
          : [...Object.entries(node.counters), ...Object.entries(node.facts)].map(([kind, times]) => ({
              labels: { kind: snake(kind) },
              value: times,
            })),
    },
    single(
      'gauge',
      'netd_gossip_primary_key_lamport_time',
      'Lamport time of the key that encrypts; it grows with every rotation.',
      value((of) => Number(of.keys.primary)),
    ),
  ];
}

/** `tableEventsStale` and `udp-blocked` as label values: words of our own source, so their number is bounded. */
function snake(name: string): string {
  return name.replace(/-/g, '_').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
