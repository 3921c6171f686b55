import { describe, expect, it } from 'vitest';
import { ago, CERTIFICATE, MINUTE, NOT_JOINED, NOW_MS, READY, SECOND, task } from '#agent/api/facts.fixture.ts';
import { viewOf } from '#agent/api/problems.ts';
import { type AgentFacts, CLUSTER_STATES, ENGINE_STATES } from '#agent/api/view.ts';
import { EXIT } from '#agent/cli/exit.ts';
import { healthOf } from '#agent/cli/status.ts';
import { expositionOf } from './exposition.ts';
import { linesOf, parseExposition } from './samples.fixture.ts';
import { viewMetrics } from './view-metrics.ts';

const metricsOf = (facts: AgentFacts) => viewMetrics(viewOf(facts, NOW_MS), NOW_MS);
const without = (lines: readonly string[], text: string) => lines.filter((line) => !line.includes(text));

const SECRETIVE = '"\\\n} netd_ready 1';
const BUSY: AgentFacts = {
  ...READY,
  tasks: [
    task(1),
    task(2),
    task(3, { desired: 'shutdown' }),
    task(4, { state: 'failed', since: ago(MINUTE), err: SECRETIVE, image: SECRETIVE }),
    task(1, { service: 'hidden', state: 'failed', since: ago(MINUTE), name: SECRETIVE }),
  ],
  outbox: { pending: 7, oldestAt: ago(SECOND) },
};

describe('metrics of the view', () => {
  it('describes a healthy worker whole', () => {
    const lines = linesOf(metricsOf(READY));
    expect(
      ['netd_tasks', 'netd_cluster_state', 'netd_gossip', 'netd_overlay', 'netd_dns'].reduce(without, lines),
    ).toEqual([
      'netd_info{version="0.1.0",node_id="x9y8z7w6v5u4t3s2r1q0p9o8n",cluster_id="q1w2e3r4t5y6u7i8o9p0a1s2d"} 1',
      `process_start_time_seconds ${NOW_MS / 1000 - 9 * 86_400}`,
      'netd_ready 1',
      `netd_session_since_seconds ${NOW_MS / 1000 - 3 * 3600}`,
      'netd_session_failures 0',
      'netd_heartbeat_age_seconds 2',
      'netd_managers 3',
      'netd_engine_up 1',
      'netd_outbox_pending 0',
      `netd_certificate_expiry_timestamp_seconds ${NOW_MS / 1000 + 80 * 86_400}`,
      `netd_certificate_renewal_timestamp_seconds ${NOW_MS / 1000 + 47 * 86_400}`,
    ]);
  });

  it('leaves out what a node without a swarm does not have', () => {
    const lines = linesOf(metricsOf(NOT_JOINED));
    expect(
      ['netd_tasks', 'netd_cluster_state', 'netd_gossip', 'netd_overlay', 'netd_dns'].reduce(without, lines),
    ).toEqual([
      'netd_info{version="0.1.0",node_id="",cluster_id=""} 1',
      `process_start_time_seconds ${NOW_MS / 1000 - 60}`,
      'netd_ready 0',
      'netd_session_failures 0',
      'netd_managers 0',
      'netd_engine_up 1',
      'netd_outbox_pending 0',
      'netd_problems{severity="info",code="not-joined"} 1',
    ]);
  });

  it.each<[string, AgentFacts, string[]]>([
    ['counts tasks by state', BUSY, ['netd_tasks{state="running"} 3', 'netd_tasks{state="failed"} 2']],
    ['names states without tasks', BUSY, ['netd_tasks{state="rejected"} 0', 'netd_tasks_desired{state="ready"} 0']],
    [
      'counts tasks by desired state',
      BUSY,
      ['netd_tasks_desired{state="running"} 4', 'netd_tasks_desired{state="shutdown"} 1'],
    ],
    ['counts the outbox', BUSY, ['netd_outbox_pending 7']],
    ['groups problems', BUSY, ['netd_problems{severity="warning",code="tasks-failing"} 2']],
    [
      'is no younger than now after the clock was set back',
      { ...READY, session: { ...READY.session, lastHeartbeatAt: ago(-MINUTE) } },
      ['netd_heartbeat_age_seconds 0'],
    ],
    [
      'keeps the expiry when no renewal is planned',
      { ...READY, certificates: { ...CERTIFICATE, renewAt: null } },
      [`netd_certificate_expiry_timestamp_seconds ${NOW_MS / 1000 + 80 * 86_400}`],
    ],
  ])('%s', (_name, facts, expected) => {
    expect(linesOf(metricsOf(facts))).toEqual(expect.arrayContaining(expected));
  });

  it.each(CLUSTER_STATES)('is in one cluster state only: %s', (state) => {
    const lines = linesOf(metricsOf({ ...READY, cluster: { ...READY.cluster, state } }));
    const states = lines.filter((line) => line.startsWith('netd_cluster_state'));
    expect(states).toHaveLength(CLUSTER_STATES.length);
    expect(without(states, '} 0')).toEqual([`netd_cluster_state{state="${state}"} 1`]);
  });

  it.each(CLUSTER_STATES.flatMap((cluster) => ENGINE_STATES.map((engine) => [cluster, engine] as const)))(
    'is ready exactly when "netd status" exits 0: %s, engine %s',
    (cluster, engine) => {
      const view = viewOf(
        { ...READY, cluster: { ...READY.cluster, state: cluster }, engine: { ...READY.engine, state: engine } },
        NOW_MS,
      );
      const lines = linesOf(viewMetrics(view, NOW_MS));
      expect(lines).toContain(`netd_ready ${healthOf(view) === EXIT.ok ? 1 : 0}`);
      expect(lines).toContain(`netd_engine_up ${engine === 'up' ? 1 : 0}`);
    },
  );

  it('names nothing of services, images or errors', () => {
    const text = linesOf(metricsOf(BUSY)).join('\n');
    for (const word of ['hidden', 'web', 'registry.example.org', '10.77.1.1']) expect(text).not.toContain(word);
    expect(text.split('netd_ready')).toHaveLength(2);
  });

  it('follows the naming practice of Prometheus', () => {
    for (const { name, type, help } of metricsOf(BUSY)) {
      expect(name).toMatch(/^(netd|process)_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(help).toMatch(/^[^\n\\]+\.$/);
    }
  });
});

describe('the text of the exposition', () => {
  it.each([
    ['ready', READY],
    ['not joined', NOT_JOINED],
    ['busy', BUSY],
  ])('says all samples and no others: %s', async (_name, facts) => {
    const families = metricsOf(facts);
    const read = parseExposition(await expositionOf(families));
    expect(read).toEqual(families.filter(({ samples }) => samples.length > 0));
  });

  it('remembers nothing, keeps 0 and counters, and cannot be broken by a label', async () => {
    const families = [
      { name: 'a_total', type: 'counter' as const, help: 'A.', samples: [{ labels: {}, value: 0.5 }] },
      { name: 'b', type: 'gauge' as const, help: 'B.', samples: [{ labels: { x: SECRETIVE, y: '' }, value: 0 }] },
    ];
    expect(parseExposition(await expositionOf(families))).toEqual(families);
    expect(parseExposition(await expositionOf(families))).toEqual(families);
  });
});
