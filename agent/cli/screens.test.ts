import { describe, expect, it } from 'vitest';
import { certsDocument, nodeDocument, statusDocument, tasksDocument } from '#agent/api/documents.ts';
import {
  ago,
  CERTIFICATE,
  CLUSTER,
  ENGINE,
  HOUR,
  MINUTE,
  NOT_JOINED,
  NOW_MS,
  READY,
  SECOND,
  SESSION,
  task,
} from '#agent/api/facts.fixture.ts';
import { NETWORKS } from '#agent/api/network.fixture.ts';
import { viewOf } from '#agent/api/problems.ts';
import { type AgentFacts, isoTime } from '#agent/api/view.ts';
import { certsScreen } from './certs-screen.ts';
import { nodeScreen } from './node-screen.ts';
import { healthOf } from './status.ts';
import { statusScreen } from './status-screen.ts';
import { tasksScreen } from './tasks-screen.ts';
import { NO_COLOURS } from './text.ts';

const SCREEN = { palette: NO_COLOURS, width: 80, cutTables: true };
const AT = isoTime(NOW_MS);

const statusOf = (facts: AgentFacts) => statusDocument(viewOf(facts, NOW_MS), AT);

const LOST = {
  ...SESSION,
  manager: null,
  since: null,
  failures: 7,
  lastError: 'connect ECONNREFUSED 10.77.1.1:2377',
  lastErrorAt: ago(2 * SECOND),
  nextAttemptAt: isoTime(NOW_MS + 4 * SECOND),
};

const three = [task(1), task(2), task(3, { state: 'preparing', since: ago(20 * SECOND), containerId: null })];
const hundred = Array.from({ length: 100 }, (_, i) => task(i + 1));

/** Every situation worth knowing, with the exit status of `netd status`. */
/** On overlay networks, one of which is not made. */
const ON_NETWORKS: AgentFacts = {
  ...READY,
  networks: {
    ...NETWORKS,
    networks: NETWORKS.networks.map((one, i) =>
      i === 0 ? one : { ...one, state: 'refused', reason: 'it has no IPv4 subnet' },
    ),
  },
};

const SITUATIONS: readonly [name: string, facts: AgentFacts, exit: number][] = [
  ['fresh, not joined', NOT_JOINED, 3],
  ['on overlay networks, one of which cannot be made', ON_NETWORKS, 3],
  [
    'joining',
    {
      ...NOT_JOINED,
      cluster: {
        ...NOT_JOINED.cluster,
        state: 'joining',
        joining: {
          step: 'root-ca',
          attempt: 3,
          address: '10.77.1.1:2377',
          lastError: 'connect ECONNREFUSED 10.77.1.1:2377',
        },
      },
    },
    3,
  ],
  ['ready without tasks', READY, 0],
  ['ready with 3 tasks', { ...READY, tasks: three }, 0],
  ['ready with 100 tasks', { ...READY, tasks: hundred }, 0],
  [
    'a failing service',
    {
      ...READY,
      tasks: [
        ...three,
        task(4, {
          state: 'failed',
          desired: 'shutdown',
          since: ago(MINUTE),
          err: 'task: non-zero exit (137)',
          exitCode: 137,
        }),
      ],
    },
    0,
  ],
  [
    'manager unreachable',
    { ...READY, cluster: { ...CLUSTER, state: 'disconnected', since: ago(5 * MINUTE) }, session: LOST, tasks: three },
    3,
  ],
  [
    'engine down',
    {
      ...READY,
      engine: { ...ENGINE, state: 'down', since: ago(90 * SECOND), error: 'connect ENOENT /var/run/docker.sock' },
    },
    3,
  ],
  ['removed', { ...READY, cluster: { ...CLUSTER, state: 'removed', since: ago(HOUR) }, session: LOST }, 3],
  [
    'certificate expired',
    {
      ...READY,
      cluster: { ...CLUSTER, state: 'certificate-expired', since: ago(HOUR) },
      session: LOST,
      certificates: { ...CERTIFICATE, notAfter: ago(HOUR) },
    },
    3,
  ],
  ['promoted', { ...READY, cluster: { ...CLUSTER, desiredRole: 'manager' } }, 0],
  ['disk full', { ...READY, storage: { error: 'ENOSPC: no space left on device, write', since: ago(10 * MINUTE) } }, 3],
  [
    'everything at once',
    {
      ...READY,
      cluster: { ...CLUSTER, desiredRole: 'manager', availability: 'drain' },
      engine: { ...ENGINE, state: 'down', since: ago(90 * SECOND), error: 'connect ENOENT /var/run/docker.sock' },
      storage: { error: 'ENOSPC: no space left on device, write', since: ago(10 * MINUTE) },
      outbox: { pending: 4, oldestAt: ago(5 * MINUTE) },
      tasks: [task(1, { state: 'rejected', since: ago(MINUTE), err: 'No such image: web:latest' })],
    },
    3,
  ],
];

describe('netd status', () => {
  it.each(SITUATIONS)('%s', (name, facts, exit) => {
    const status = statusOf(facts);
    const text = statusScreen(status, SCREEN, false);
    expect(text).toMatchSnapshot(name);
    expect(healthOf(status)).toBe(exit);
    const lines = text.split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('says how much has no room, and lists it on demand', () => {
    const status = statusOf(SITUATIONS.at(-1)?.[1] ?? READY);
    expect(statusScreen(status, SCREEN, false)).toMatch(/\nand 4 more: netd status --all\n$/);
    const all = statusScreen(status, SCREEN, true);
    for (const problem of status.problems) expect(all.replace(/\s+/g, ' ')).toContain(problem.what);
    expect(all).not.toContain('more: netd');
  });

  it.each([40, 60, 200])('fits %i columns', (width) => {
    for (const [, facts] of SITUATIONS) {
      const lines = statusScreen(statusOf(facts), { ...SCREEN, width }, true).split('\n');
      const body = lines.slice(1); // the first line gives version and host in any case
      expect(Math.max(...body.map((line) => line.length))).toBeLessThanOrEqual(width);
    }
  });
});

describe('netd inspect', () => {
  it('node', () => {
    expect(nodeScreen(nodeDocument(viewOf(READY, NOW_MS), AT), SCREEN)).toMatchSnapshot();
  });

  it('node, not joined, without an engine', () => {
    const facts: AgentFacts = {
      ...NOT_JOINED,
      description: null,
      engine: { ...ENGINE, state: 'down', version: null, apiVersion: null, error: 'ENOENT', liveRestore: null },
    };
    expect(nodeScreen(nodeDocument(viewOf(facts, NOW_MS), AT), SCREEN)).toMatchSnapshot();
  });

  it('tasks', () => {
    const tasks = [
      ...three,
      task(3, {
        state: 'failed',
        desired: 'shutdown',
        since: ago(5 * MINUTE),
        err: 'task: non-zero exit (1)',
        exitCode: 1,
      }),
      task(0, {
        service: 'agent',
        ports: [
          { protocol: 'tcp', targetPort: 80, publishedPort: 8080 },
          { protocol: 'udp', targetPort: 53, publishedPort: 53 },
        ],
      }),
    ];
    const document = tasksDocument(viewOf({ ...READY, tasks }, NOW_MS), AT);
    expect(tasksScreen(document, SCREEN)).toMatchSnapshot();
    expect(tasksScreen(document, { ...SCREEN, cutTables: false })).toContain('registry.example.org/shop/web:1.27 ');
  });

  it('no tasks', () => {
    expect(tasksScreen(tasksDocument(viewOf(READY, NOW_MS), AT), SCREEN)).toBe('No tasks are assigned to this node.\n');
  });

  it('certs', () => {
    const held = { ...CERTIFICATE, rotating: true, lastRenewalAttemptAt: ago(MINUTE), lastRenewalError: 'timed out' };
    expect(certsScreen(certsDocument(viewOf(READY, NOW_MS), AT), SCREEN)).toMatchSnapshot();
    expect(certsScreen(certsDocument(viewOf({ ...READY, certificates: held }, NOW_MS), AT), SCREEN)).toMatchSnapshot();
  });
});
