import { expect, it } from 'vitest';
import { GOSSIP } from '#agent/api/facts.fixture.ts';
import { NO_GOSSIP } from '#agent/api/gossip-facts.ts';
import { gossipMetrics } from './gossip-metrics.ts';
import { linesOf } from './samples.fixture.ts';

it('measures a gossip that runs', () => {
  const node = GOSSIP.node && {
    ...GOSSIP.node,
    members: { alive: 7, suspect: 1, dead: 2, left: 3 },
    queues: { members: 4, networkEvents: 5, nodeEvents: 6, overflows: 8 },
  };
  expect(linesOf(gossipMetrics({ ...GOSSIP, node }))).toEqual([
    'netd_gossip_state{state="off"} 0',
    'netd_gossip_state{state="waiting"} 0',
    'netd_gossip_state{state="failing"} 0',
    'netd_gossip_state{state="searching"} 0',
    'netd_gossip_state{state="joined"} 1',
    'netd_gossip_members{state="alive"} 7',
    'netd_gossip_members{state="suspect"} 1',
    'netd_gossip_members{state="dead"} 2',
    'netd_gossip_members{state="left"} 3',
    'netd_gossip_health_score 0',
    'netd_gossip_networks 2',
    'netd_gossip_rows 24',
    'netd_gossip_queued_messages{queue="members"} 4',
    'netd_gossip_queued_messages{queue="network_events"} 5',
    'netd_gossip_queued_messages{queue="node_events"} 6',
    'netd_gossip_queue_overflows_total 8',
    'netd_gossip_bulk_syncs{stage="queued"} 0',
    'netd_gossip_bulk_syncs{stage="sending"} 0',
    'netd_gossip_bulk_syncs{stage="awaited"} 0',
    'netd_gossip_refused_messages_total 0',
    'netd_gossip_events_total{kind="table_events_applied"} 120',
    'netd_gossip_events_total{kind="bulk_syncs_sent"} 7',
    'netd_gossip_events_total{kind="joined"} 1',
    'netd_gossip_events_total{kind="peer"} 3',
    'netd_gossip_primary_key_lamport_time 31007',
  ]);
});

it('has nothing to measure of one that does not, but its state', () => {
  expect(linesOf(gossipMetrics(NO_GOSSIP)).filter((line) => !line.endsWith(' 0'))).toEqual([
    'netd_gossip_state{state="off"} 1',
  ]);
});
