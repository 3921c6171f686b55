import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JoinRequest } from '#agent/api/control.ts';
import { CLUSTER, NOT_JOINED, NOW_MS, READY, SESSION } from '#agent/api/facts.fixture.ts';
import type { AgentFacts, ClusterFact } from '#agent/api/view.ts';
import { NetdError } from '#base/errors.ts';
import { useCli } from './cli.fixture.ts';
import type { CliDeps } from './deps.ts';

const TOKEN = `SWMTKN-1-${'0'.repeat(49)}1-${'b'.repeat(25)}`;

const { directory, startAgent, netd } = useCli();

describe('netd join', () => {
  const joining = (changes: Partial<ClusterFact>): AgentFacts => ({
    ...NOT_JOINED,
    cluster: { ...NOT_JOINED.cluster, state: 'joining', ...changes },
  });
  const RESULT = { nodeId: CLUSTER.nodeId ?? '', clusterId: CLUSTER.clusterId ?? '' };

  /** A clock on which every wait takes the agent one step further. */
  function steppingClock(steps: (() => void)[]): CliDeps['clock'] {
    let elapsedMs = 0;
    return {
      now: () => NOW_MS,
      monotonicMs: () => elapsedMs,
      sleep: async (ms, signal) => {
        await new Promise((resolve) => setImmediate(resolve)); // lets the answer of the join come in
        signal?.throwIfAborted();
        elapsedMs += ms;
        steps.shift()?.();
      },
    };
  }

  it('follows the join until the node is Ready', async () => {
    const agent = await startAgent();
    agent.facts = NOT_JOINED;
    const asked: JoinRequest[] = [];
    const issued = Promise.withResolvers<typeof RESULT>();
    agent.onJoin = (request) => {
      asked.push(request);
      return issued.promise;
    };
    const step = (facts: AgentFacts) => () => {
      agent.facts = facts;
    };
    const address = '10.77.1.1:2377';
    const clock = steppingClock([
      step(joining({ joining: { step: 'root-ca', attempt: 1, address, lastError: null } })),
      step(joining({ joining: { step: 'root-ca', attempt: 2, address, lastError: 'refused' } })),
      step(joining({ joining: { step: 'certificate', attempt: 1, address, lastError: null } })),
      () => {
        issued.resolve(RESULT);
        agent.facts = {
          ...READY,
          cluster: { ...CLUSTER, state: 'connecting' },
          session: { ...SESSION, manager: null },
        };
      },
      () => {},
      step(READY),
    ]);
    const argv = [
      'join',
      '--token',
      TOKEN,
      '--data-path-addr',
      'eth1',
      '--availability',
      'drain',
      '--force',
      '10.77.1.1',
      'm2:4242',
    ];
    const { status, out, err } = await netd([...argv, '--timeout', '1h'], { clock });
    expect(err).toBe(
      [
        'asking for the root certificate at 10.77.1.1:2377',
        'not yet: refused',
        'asking for the root certificate at 10.77.1.1:2377, attempt 2',
        'asking for a certificate at 10.77.1.1:2377',
        'registering',
        '',
      ].join('\n'),
    );
    expect(out).toBe(`This node joined a swarm as a worker.\nNode id: ${RESULT.nodeId}\n`);
    expect(status).toBe(0);
    expect(asked).toEqual([
      {
        token: TOKEN,
        addresses: ['10.77.1.1:2377', 'm2:4242'],
        advertiseAddr: null,
        dataPathAddr: 'eth1',
        availability: 'drain',
        force: true,
      },
    ]);
  });

  it('does not take the Ready of an earlier swarm for its own', async () => {
    const agent = await startAgent();
    agent.onJoin = () =>
      Promise.reject(new NetdError('already-joined', 'this node is part of a swarm', { mend: 'Leave first.' }));
    const { status, out, err } = await netd(['join', '--token', TOKEN, '10.77.1.1']);
    expect([status, out, err]).toEqual([1, '', 'netd: this node is part of a swarm\n  → Leave first.\n']);
  });

  it('stops waiting when the time is up, and tells the agent', async () => {
    const agent = await startAgent();
    agent.facts = joining({});
    const stopped = Promise.withResolvers<void>();
    agent.onJoin = (_, signal) => {
      signal.addEventListener('abort', () => stopped.resolve());
      return new Promise(() => {});
    };
    const { status, out, err } = await netd(['join', '--token', TOKEN, '10.77.1.1'], { clock: steppingClock([]) });
    expect([status, out]).toEqual([3, '']);
    expect(err).toMatch(/not Ready after 20 s; the join goes on in the background\n {2}→ Follow it with "netd status"/);
    await stopped.promise;
  });

  it('prints a document at the end', async () => {
    const agent = await startAgent();
    agent.onJoin = async () => RESULT;
    const { status, out } = await netd(['join', '--json', '--token', TOKEN, '10.77.1.1']);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual({ schemaVersion: 1, state: 'ready', ...RESULT });
  });

  it('takes the token from a file, from standard input, from the environment', async () => {
    const agent = await startAgent();
    const tokens: string[] = [];
    agent.onJoin = async (request) => {
      tokens.push(request.token);
      return RESULT;
    };
    const path = join(directory(), 'token');
    await writeFile(path, `${TOKEN}\n`);
    const stdin = (async function* () {
      yield TOKEN.slice(0, 10);
      yield Buffer.from(`${TOKEN.slice(10)}\n`);
    })();
    await netd(['join', '--token-file', path, '10.77.1.1']);
    await netd(['join', '--token-file', '-', '10.77.1.1'], { stdin });
    await netd(['join', '10.77.1.1'], { env: { NETD_JOIN_TOKEN: TOKEN } });
    expect(tokens).toEqual([TOKEN, TOKEN, TOKEN]);
  });

  it('takes --listen-addr and says that it means nothing', async () => {
    const agent = await startAgent();
    agent.onJoin = async () => RESULT;
    const { status, err } = await netd(['join', '--token', TOKEN, '--listen-addr', '0.0.0.0:2377', '10.77.1.1']);
    expect(status).toBe(0);
    expect(err).toMatch(/--listen-addr is ignored/);
  });

  it.each<[string, string[], RegExp]>([
    ['no token', ['10.77.1.1'], /the join token is missing/],
    ['a cut token', ['--token', TOKEN.slice(0, -3), '10.77.1.1'], /the join token is cut short/],
    ['two tokens', ['--token', TOKEN, '--token-file', 'x', '10.77.1.1'], /both given/],
    [
      'an unreadable token file',
      ['--token-file', '/nowhere/x', '10.77.1.1'],
      /cannot read the token from \/nowhere\/x/,
    ],
    ['no address', ['--token', TOKEN], /missing required argument 'host:port'/],
    ['a wrong address', ['--token', TOKEN, 'http://10.77.1.1'], /not the address of a manager/],
    [
      'a wrong interface',
      ['--token', TOKEN, '--advertise-addr', 'a b', '10.77.1.1'],
      /bad value for --advertise-addr: "a b"/,
    ],
    [
      'a wrong availability',
      ['--token', TOKEN, '--availability', 'idle', '10.77.1.1'],
      /Allowed: active, pause, drain/,
    ],
    ['a token in the wrong place', [TOKEN], /missing/],
    ['a token as a flag', [`--tokn=${TOKEN}`, '10.77.1.1'], /unknown option/],
    ['a token as an address', ['--token', 'x', `${TOKEN}/`], /token/],
  ])('refuses %s before anything is touched', async (_, argv, message) => {
    const agent = await startAgent();
    agent.onJoin = () => Promise.reject(new Error('it was asked'));
    const { status, out, err } = await netd(['join', ...argv]);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(message);
    expect(err).not.toContain(TOKEN.slice(9, 40));
  });
});
