import { type AgentView, CLUSTER_STATES, type IsoTime, TASK_STATES, type TaskStateName } from '#agent/api/view.ts';
import { gossipMetrics } from './gossip-metrics.ts';
import { type MetricFamily, type Sample, single } from './metric-family.ts';
import { overlayMetrics } from './overlay-metrics.ts';

/**
 * What the agent says of itself, as metrics. A pure function of the view and the time of the scrape.
 *
 * Labels are ids of this node and words from lists in our own source: their number is bounded, and none is a secret. Names of
 * services, images and addresses stay out for that reason; `netd status` has them.
 */
export function viewMetrics(view: AgentView, nowMs: number): readonly MetricFamily[] {
  const { agent, cluster, session, certificates } = view;
  return [
    {
      name: 'netd_info',
      type: 'gauge',
      help: 'Always 1; the labels say which netd this is. The ids are empty while the node is in no swarm.',
      samples: [
        {
          labels: { version: agent.version, node_id: cluster.nodeId ?? '', cluster_id: cluster.clusterId ?? '' },
          value: 1,
        },
      ],
    },
    gauge('process_start_time_seconds', 'Unix time at which the agent began.', seconds(agent.startedAt)),
    gauge(
      'netd_ready',
      '1 if the node is Ready and has no problem of severity error, as when "netd status" exits 0.',
      isReady(view) ? 1 : 0,
    ),
    {
      name: 'netd_cluster_state',
      type: 'gauge',
      help: 'The place of this node in the swarm: 1 for the present state, 0 for the others.',
      samples: CLUSTER_STATES.map((state) => ({ labels: { state }, value: state === cluster.state ? 1 : 0 })),
    },
    gauge(
      'netd_session_since_seconds',
      'Unix time at which the present session began; absent without one.',
      seconds(session.since),
    ),
    gauge('netd_session_failures', 'Sessions that failed since the last one that registered.', session.failures),
    gauge(
      'netd_heartbeat_age_seconds',
      'Time since a manager last answered a heartbeat; absent without a session.',
      ageSeconds(session.lastHeartbeatAt, nowMs),
    ),
    gauge('netd_managers', 'Managers known.', view.managers.length),
    gauge('netd_engine_up', '1 if the engine answers and can be used.', view.engine.state === 'up' ? 1 : 0),
    {
      name: 'netd_tasks',
      type: 'gauge',
      help: 'Tasks of this node by the state they are in.',
      samples: countByState(view.tasks.map((task) => task.state)),
    },
    {
      name: 'netd_tasks_desired',
      type: 'gauge',
      help: 'Tasks of this node by the state the manager wants them in.',
      samples: countByState(view.tasks.map((task) => task.desired)),
    },
    gauge('netd_outbox_pending', 'Task statuses the manager has not taken yet.', view.outbox.pending),
    gauge(
      'netd_certificate_expiry_timestamp_seconds',
      'Unix time at which the certificate of this node expires; absent without one.',
      seconds(certificates?.notAfter ?? null),
    ),
    gauge(
      'netd_certificate_renewal_timestamp_seconds',
      'Unix time at which the certificate of this node is to be renewed; absent if that is not planned.',
      seconds(certificates?.renewAt ?? null),
    ),
    ...gossipMetrics(view.gossip),
    ...overlayMetrics(view.networks),
    {
      name: 'netd_problems',
      type: 'gauge',
      help: 'Problems that "netd status" lists, by severity and code; absent where there are none.',
      samples: countProblems(view),
    },
  ];
}

function gauge(name: string, help: string, value: number | null): MetricFamily {
  return single('gauge', name, help, value);
}

/** The same rule as the exit status of `netd status`; the test holds the two together. */
function isReady({ cluster, problems }: AgentView): boolean {
  return cluster.state === 'ready' && problems.every(({ severity }) => severity !== 'error');
}

/** All states, also those without a task: a graph of one should fall to 0, not end. */
function countByState(states: readonly TaskStateName[]): readonly Sample[] {
  const counts = new Map<TaskStateName, number>(TASK_STATES.map((state) => [state, 0]));
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, value]) => ({ labels: { state }, value }));
}

function countProblems({ problems }: AgentView): readonly Sample[] {
  const groups = Map.groupBy(problems, ({ severity, code }) => `${severity} ${code}`);
  return [...groups.values()].flatMap((group) =>
    group.slice(0, 1).map(({ severity, code }) => ({ labels: { severity, code }, value: group.length })),
  );
}

function seconds(time: IsoTime | null): number | null {
  return time === null ? null : Date.parse(time) / 1000;
}

/** Never negative: the wall clock may have been set back since. */
function ageSeconds(time: IsoTime | null, nowMs: number): number | null {
  return time === null ? null : Math.max(0, nowMs - Date.parse(time)) / 1000;
}
