import { describe, expect, it } from 'vitest';
import {
  ago,
  CERTIFICATE,
  CLUSTER,
  DAY,
  ENGINE,
  HOUR,
  MINUTE,
  NOT_JOINED,
  NOW_MS,
  READY,
  SECOND,
  SESSION,
  task,
} from './facts.fixture.ts';
import { problemsOf, viewOf } from './problems.ts';
import { type AgentFacts, type ClusterFact, isoTime, type SessionFact } from './view.ts';

/** `severity code`, in order. */
function codes(facts: AgentFacts): string[] {
  return problemsOf(facts, NOW_MS).map((problem) => `${problem.severity} ${problem.code}`);
}

const cluster = (changes: Partial<ClusterFact>): AgentFacts => ({ ...READY, cluster: { ...CLUSTER, ...changes } });
const lost = (sinceMs: number, session: Partial<SessionFact>, facts: Partial<AgentFacts> = {}): AgentFacts => ({
  ...READY,
  cluster: { ...CLUSTER, state: 'disconnected', since: ago(sinceMs) },
  session: { ...SESSION, manager: null, since: null, ...session },
  ...facts,
});

describe('problemsOf', () => {
  it.each<[string, AgentFacts, string[]]>([
    ['a healthy node', READY, []],
    ['a node outside a swarm', NOT_JOINED, ['info not-joined']],
    [
      'a join on its way',
      cluster({ state: 'joining', joining: { step: 'root-ca', attempt: 1, address: 'm:2377', lastError: null } }),
      [],
    ],
    [
      'a join that fails',
      cluster({ state: 'joining', joining: { step: 'root-ca', attempt: 2, address: 'm:2377', lastError: 'refused' } }),
      ['warning join-failing'],
    ],
    [
      'a join that has come to nothing',
      cluster({ state: 'not-joined', joinError: { error: 'a wrong token', mend: 'Take the right one.' } }),
      ['error join-failed'],
    ],
    ['a session just lost, without an error', lost(2 * SECOND, {}), []],
    ['a session just lost', lost(2 * SECOND, { lastError: 'stream ended' }), ['warning manager-unreachable']],
    ['a session lost for a while', lost(7 * SECOND, { lastError: 'refused' }), ['error manager-unreachable']],
    ['a session that never answers', lost(MINUTE, {}), ['error manager-unreachable']],
    [
      'a first session that waits for the engine',
      { ...lost(MINUTE, {}), engine: { ...ENGINE, state: 'down', error: 'ENOENT' } },
      ['error engine-down'],
    ],
    ['a removed node', cluster({ state: 'removed' }), ['error removed']],
    ['a node on its way out', cluster({ state: 'leaving' }), ['info leaving']],
    [
      'an expired certificate, as the session saw it',
      cluster({ state: 'certificate-expired' }),
      ['error certificate-expired'],
    ],
    [
      'an expired certificate, by the clock',
      { ...READY, certificates: { ...CERTIFICATE, notAfter: isoTime(NOW_MS) } },
      ['error certificate-expired'],
    ],
    [
      'a clock that is behind',
      { ...READY, certificates: { ...CERTIFICATE, notBefore: isoTime(NOW_MS + 1) } },
      ['error clock-behind'],
    ],
    [
      'a renewal that failed early',
      { ...READY, certificates: { ...CERTIFICATE, lastRenewalError: 'x' } },
      ['warning renewal-failing'],
    ],
    [
      'a renewal that failed late',
      { ...READY, certificates: { ...CERTIFICATE, notAfter: isoTime(NOW_MS + 2 * DAY), lastRenewalError: 'x' } },
      ['error renewal-failing'],
    ],
    ['a CA rotation', { ...READY, certificates: { ...CERTIFICATE, rotating: true } }, ['info ca-rotation']],
    ['a promotion', cluster({ desiredRole: 'manager' }), ['warning promoted']],
    [
      'a promotion that brought a certificate',
      { ...cluster({ desiredRole: 'manager' }), certificates: { ...CERTIFICATE, role: 'manager' } },
      ['warning promoted'],
    ],
    [
      'a demotion with the certificate left',
      { ...READY, certificates: { ...CERTIFICATE, role: 'manager' } },
      ['warning manager-certificate'],
    ],
    ['drain', cluster({ availability: 'drain' }), ['info availability-drain']],
    ['pause', cluster({ availability: 'pause' }), ['info availability-pause']],
    [
      'two machines with one identity',
      { ...READY, session: { ...SESSION, duplicateIdentity: true } },
      ['error duplicate-identity'],
    ],
    [
      'a late heartbeat',
      { ...READY, session: { ...SESSION, lastHeartbeatAt: ago(15 * SECOND) } },
      ['warning heartbeat-late'],
    ],
    ['a heartbeat almost late', { ...READY, session: { ...SESSION, lastHeartbeatAt: ago(14 * SECOND) } }, []],
    ['an engine not asked yet', { ...READY, engine: { ...ENGINE, state: 'connecting' } }, []],
    ['no engine', { ...READY, engine: { ...ENGINE, state: 'down' } }, ['error engine-down']],
    ['an engine that hangs', { ...READY, engine: { ...ENGINE, state: 'stuck' } }, ['error engine-stuck']],
    ['something else', { ...READY, engine: { ...ENGINE, state: 'not-an-engine' } }, ['error not-an-engine']],
    ['an old engine', { ...READY, engine: { ...ENGINE, state: 'too-old' } }, ['error engine-too-old']],
    [
      'an engine in a swarm',
      { ...READY, engine: { ...ENGINE, state: 'in-swarm-mode' } },
      ['error engine-in-swarm-mode'],
    ],
    ['no live-restore', { ...READY, engine: { ...ENGINE, liveRestore: false } }, ['info no-live-restore']],
    ['live-restore not known', { ...READY, engine: { ...ENGINE, liveRestore: null } }, []],
    ['a full disk', { ...READY, storage: { error: 'ENOSPC', since: ago(HOUR) } }, ['error state-not-written']],
    ['statuses just waiting', { ...READY, outbox: { pending: 3, oldestAt: ago(59 * SECOND) } }, []],
    ['statuses stuck', { ...READY, outbox: { pending: 3, oldestAt: ago(MINUTE) } }, ['warning outbox-stuck']],
    [
      'a task failed lately',
      { ...READY, tasks: [task(1, { state: 'failed', since: ago(MINUTE) })] },
      ['warning tasks-failing'],
    ],
    ['a task failed long ago', { ...READY, tasks: [task(1, { state: 'failed', since: ago(HOUR) })] }, []],
    ['a slow pull', { ...READY, tasks: [task(1, { state: 'preparing', since: ago(HOUR) })] }, ['warning tasks-slow']],
    [
      'a task not wanted any more',
      { ...READY, tasks: [task(1, { state: 'preparing', desired: 'shutdown', since: ago(HOUR) })] },
      [],
    ],
    [
      'much at once: the gravest first',
      {
        ...cluster({ desiredRole: 'manager', availability: 'drain' }),
        engine: { ...ENGINE, state: 'down' },
        storage: { error: 'ENOSPC', since: ago(HOUR) },
      },
      ['error engine-down', 'error state-not-written', 'warning promoted', 'info availability-drain'],
    ],
  ])('%s', (_, facts, expected) => {
    expect(codes(facts)).toEqual(expected);
  });

  it('names managers to try, and what to do without any', () => {
    const [some] = problemsOf(lost(MINUTE, { lastError: 'refused' }, { managers: manyManagers(5) }), NOW_MS);
    expect(some?.mend).toMatch(/to m0:2377, m1:2377, m2:2377 and 2 more\. Tasks go on running/);
    const [none] = problemsOf(lost(MINUTE, { lastError: 'refused' }, { managers: [] }), NOW_MS);
    expect(none?.mend).toMatch(/No manager is known any more/);
  });

  it.each<[string, AgentFacts]>([
    ['promoted', cluster({ desiredRole: 'manager' })],
    ['with a certificate of a manager', { ...READY, certificates: { ...CERTIFICATE, role: 'manager' } }],
  ])('sends nobody to "docker node demote", which managers refuse for a node that never was one: %s', (_, facts) => {
    const [problem] = problemsOf(facts, NOW_MS);
    expect(problem?.mend).toContain(`"docker node rm --force ${facts.cluster.nodeId}"`);
    expect(problem?.mend).not.toContain('node demote');
  });

  it('says the address of the engine once', () => {
    const what = (error: string) =>
      problemsOf({ ...READY, engine: { ...ENGINE, state: 'down', error } }, NOW_MS)[0]?.what;
    expect(what('timed out')).toBe('the engine does not answer at unix:///var/run/docker.sock: timed out');
    expect(what('cannot reach unix:///var/run/docker.sock')).toBe('cannot reach unix:///var/run/docker.sock');
  });

  it('speaks of services, not of single tasks, and of a few of them', () => {
    const tasks = Array.from({ length: 60 }, (_, i) =>
      task(i, { service: `s${i % 6}`, state: 'failed', since: ago(i * SECOND), exitCode: 3, message: '' }),
    );
    const problems = problemsOf({ ...READY, tasks }, NOW_MS);
    expect(problems).toHaveLength(5);
    expect(problems[0]?.what).toMatch(/^service s0: 10 tasks failed lately; s0 failed: exit code 3$/);
    expect(problems[0]?.since).toBe(ago(54 * SECOND));
    expect(problems[4]?.what).toBe('the same goes for tasks of 2 more services');
  });

  it('gives every problem something to do', () => {
    const facts: AgentFacts = {
      ...cluster({ state: 'removed', desiredRole: 'manager', availability: 'pause', nodeId: null }),
      storage: { error: 'x', since: null },
    };
    for (const problem of problemsOf(facts, NOW_MS)) expect(problem.mend.length).toBeGreaterThan(20);
  });

  it('makes a frozen view', () => {
    const view = viewOf(READY, NOW_MS);
    expect(Object.isFrozen(view) && Object.isFrozen(view.problems)).toBe(true);
  });
});

function manyManagers(count: number): AgentFacts['managers'] {
  return Array.from({ length: count }, (_, i) => ({ nodeId: null, addr: `m${i}:2377`, weight: 1 }));
}

it.each([
  ['failed', 'task: non-zero exit (3)', /"docker service logs service1"\.$/],
  ['rejected', 'No such image: app:1', /^Check the name, and that this host reaches the registry/],
  ['rejected', 'ports published through the routing mesh are not supported yet', /^Publish the port with mode=host/],
  [
    'rejected',
    'invalid mount target',
    /^Change what the reason names; "docker service ps --no-trunc service1" on a manager/,
  ],
] as const)('what is to be done about a task that %s: %s', (state, err, mend) => {
  const [problem] = problemsOf(
    { ...READY, tasks: [task(1, { state, err, service: 'service1', since: ago(MINUTE) })] },
    NOW_MS,
  );
  expect(problem?.mend).toMatch(mend);
  expect(/service logs/.test(problem?.mend ?? '')).toBe(state === 'failed');
});
