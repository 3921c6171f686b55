import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentControl, JoinRequest, LeaveRequest } from '#agent/api/control.ts';
import { CLUSTER, ENGINE, NOT_JOINED, NOW_MS, READY, SESSION, task } from '#agent/api/facts.fixture.ts';
import { viewOf } from '#agent/api/problems.ts';
import { type ApiServer, serveApi } from '#agent/api/server.ts';
import type { AgentFacts, ClusterFact } from '#agent/api/view.ts';
import type { AgentConfig } from '#agent/config/config.ts';
import { systemClock } from '#base/clock.ts';
import { NetdError } from '#base/errors.ts';
import { silentLogger } from '#base/log.ts';
import { runCli } from './cli.ts';
import type { CliDeps } from './deps.ts';

const TOKEN = `SWMTKN-1-${'0'.repeat(49)}1-${'b'.repeat(25)}`;

let directory: string;
let server: ApiServer | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'netd-cli-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(directory, { recursive: true });
});

/** An agent whose facts the test sets: the real server, on a real socket. */
class ScriptedAgent implements AgentControl {
  facts: AgentFacts = READY;
  onJoin: (request: JoinRequest, signal: AbortSignal) => Promise<{ nodeId: string; clusterId: string }> = () =>
    Promise.reject(new Error('not expected'));
  onLeave: (request: LeaveRequest) => Promise<void> = () => Promise.reject(new Error('not expected'));
  view = () => viewOf(this.facts, NOW_MS);
  join = (request: JoinRequest, signal: AbortSignal) => this.onJoin(request, signal);
  leave = (request: LeaveRequest) => this.onLeave(request);
}

async function startAgent(): Promise<ScriptedAgent> {
  const control = new ScriptedAgent();
  server = await serveApi({
    socketPath: join(directory, 'netd.sock'),
    control,
    clock: { ...systemClock, now: () => NOW_MS },
    log: silentLogger,
  });
  return control;
}

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function netd(argv: readonly string[], changes: Partial<CliDeps> = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const status = await runCli(argv, {
    version: '0.1.0',
    stdout: {
      write: (text) => {
        out += text;
      },
    },
    stderr: {
      write: (text) => {
        err += text;
      },
    },
    stdin: (async function* () {})(),
    isTTY: false,
    columns: 80,
    clock: systemClock,
    startAgent: () => Promise.reject(new Error('not expected')),
    ...changes,
    env: { NETD_RUN_DIR: directory, NETD_CONFIG: join(directory, 'none.yaml'), ...changes.env },
  });
  return { status, out, err };
}

describe('netd status', () => {
  it('prints the screen for people', async () => {
    await startAgent();
    const { status, out, err } = await netd(['status']);
    expect([status, err]).toEqual([0, '']);
    expect(out).toMatch(/^worker-1 is ready .*\n\nCluster +q1w2e3r4t5y6u7i8o9p0a1s2d\n/);
  });

  it('prints JSON for programs, as the agent sent it', async () => {
    const agent = await startAgent();
    agent.facts = { ...READY, engine: { ...ENGINE, state: 'down', error: '\u001b[2J\u009b\u202e' } };
    const { status, out } = await netd(['status', '--json'], { isTTY: true });
    expect(status).toBe(3);
    expect(JSON.parse(out)).toMatchObject({ schemaVersion: 1, engine: { error: '\u001b[2J\u009b\u202e' } });
    expect(out).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('colours for a terminal, never with NO_COLOR, never in a pipe', async () => {
    await startAgent();
    const green = '\u001b[32mready';
    expect((await netd(['status'], { isTTY: true })).out).toContain(green);
    expect((await netd(['status'], { isTTY: true, env: { NO_COLOR: '1' } })).out).not.toContain('\u001b');
    expect((await netd(['status'], { isTTY: true, env: { TERM: 'dumb' } })).out).not.toContain('\u001b');
    expect((await netd(['status'])).out).not.toContain('\u001b');
  });

  it('lets nothing from outside drive the terminal', async () => {
    const agent = await startAgent();
    agent.facts = { ...READY, storage: { error: 'x\u001b]0;owned\u0007\u001b[2J', since: null } };
    expect((await netd(['status'], { isTTY: true, env: { NO_COLOR: '1' } })).out).not.toMatch(/(?!\n)\p{Cc}/u);
  });

  it('says that no agent is there, and exits 4', async () => {
    const { status, out, err } = await netd(['status']);
    expect([status, out]).toEqual([4, '']);
    expect(err).toMatch(/^netd: no agent is running at .*netd\.sock\n {2}→ Start it with "systemctl start netd"/);
  });

  it('finds the agent by flag, then by the configuration file', async () => {
    await startAgent();
    await writeFile(join(directory, 'netd.yaml'), `run-dir: ${directory}\n`);
    const env = { NETD_RUN_DIR: '', NETD_CONFIG: join(directory, 'netd.yaml') };
    expect((await netd(['status'], { env })).status).toBe(0);
    expect((await netd(['status', '--run-dir', directory], { env: { NETD_RUN_DIR: '/nowhere' } })).status).toBe(0);
  });
});

describe('netd inspect', () => {
  it('shows one topic, or all', async () => {
    const agent = await startAgent();
    agent.facts = { ...READY, tasks: [task(1)] };
    expect((await netd(['inspect', 'tasks'])).out).toMatch(
      /^TASK .*\nweb\.1 +registry\.example\.org\/shop\/web:1\.27 +running/,
    );
    expect(JSON.parse((await netd(['inspect', 'certs', '--json'])).out)).toMatchObject({
      certificates: { role: 'worker' },
    });
    const all = JSON.parse((await netd(['inspect', '--json'])).out);
    expect(Object.keys(all)).toEqual(['schemaVersion', 'node', 'tasks', 'certs']);
    expect((await netd(['inspect'])).out).toMatch(/^Swarm\n.*\nTASK .*\nIssuer +CN=swarm-ca\n/s);
  });

  it('lists what exists when asked for something else', async () => {
    expect(await netd(['inspect', 'gossip'])).toEqual({
      status: 2,
      out: '',
      err: 'netd: bad value "gossip" for topic\n  → Allowed: node, tasks, certs.\n',
    });
  });
});

describe('netd version', () => {
  it('tells both versions', async () => {
    const agent = await startAgent();
    expect((await netd(['version'])).out).toMatch(/^netd {3}0\.1\.0 \(Node v\d.*\)\nagent {2}0\.1\.0, process 4242\n$/);
    agent.facts = { ...READY, agent: { ...READY.agent, version: '0.0.9' } };
    expect((await netd(['version'])).err).toContain('another version');
  });

  it('needs no agent', async () => {
    const { status, out } = await netd(['version', '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual({ schemaVersion: 1, version: '0.1.0', node: process.version, agent: null });
  });
});

describe('netd leave', () => {
  it('asks the agent and says so', async () => {
    const agent = await startAgent();
    const asked: LeaveRequest[] = [];
    agent.onLeave = async (request) => {
      asked.push(request);
    };
    expect(await netd(['leave'])).toEqual({ status: 0, out: 'Node left the swarm.\n', err: '' });
    expect(JSON.parse((await netd(['leave', '--force', '--json'])).out)).toEqual({ schemaVersion: 1, left: true });
    expect(asked).toEqual([{ force: false }, { force: true }]);
  });

  it("passes the agent's refusal on", async () => {
    const agent = await startAgent();
    agent.onLeave = () =>
      Promise.reject(new NetdError('not-joined', 'this node is not part of a swarm', { mend: 'Nothing to do.' }));
    expect(await netd(['leave'])).toEqual({
      status: 1,
      out: '',
      err: 'netd: this node is not part of a swarm\n  → Nothing to do.\n',
    });
  });
});

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
    const path = join(directory, 'token');
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

describe('netd agent', () => {
  it('starts the daemon with the configuration, and ends with its exit status', async () => {
    const path = join(directory, 'netd.yaml');
    await writeFile(path, 'log-level: warn\nlabels: {zone: b}\n');
    const started: AgentConfig[] = [];
    const { status, err } = await netd(
      [
        'agent',
        '--config',
        path,
        '--state-dir',
        '/srv/netd',
        '--generic-resource',
        'gpu=a',
        '--generic-resource=gpu=b',
      ],
      {
        env: { NETD_LABELZ: 'x' },
        startAgent: async (config) => {
          started.push(config);
          return 7;
        },
      },
    );
    expect(status).toBe(7);
    expect(err).toBe(
      'netd: the variable NETD_LABELZ means nothing to netd and is ignored (did you mean "NETD_LABELS"?)\n',
    );
    expect(started).toMatchObject([
      { stateDir: '/srv/netd', runDir: directory, logLevel: 'warn', labels: { zone: 'b' }, configFile: path },
    ]);
    expect(started[0]?.genericResources.map((one) => one.value)).toEqual(['a', 'b']);
  });

  it('refuses a wrong configuration with every fault in it', async () => {
    const path = join(directory, 'netd.yaml');
    await writeFile(path, 'state_dir: /x\nlog-level: loud\n');
    expect(await netd(['agent', '--config', path, '--metrics-addr', 'nine'])).toEqual({
      status: 2,
      out: '',
      err: [
        `netd: unknown key "state_dir" in ${path}:1`,
        '  → Did you mean "state-dir"?',
        'netd: bad value "nine" for --metrics-addr: "nine": the port is missing',
        '  → Allowed: HOST:PORT, such as 127.0.0.1:9323, or nothing.',
        `netd: bad value "loud" for log-level in ${path}:2`,
        '  → Allowed: debug, info, warn or error.',
        '',
      ].join('\n'),
    });
  });

  it('reports what the daemon could not do', async () => {
    const startAgentFails = () => Promise.reject(new NetdError('socket-in-use', 'another agent', { mend: 'Stop it.' }));
    const { status, err } = await netd(['agent', '--config', '/dev/null'], { startAgent: startAgentFails });
    expect([status, err]).toEqual([1, 'netd: another agent\n  → Stop it.\n']);
  });

  it('only checks with --check', async () => {
    const { status, out } = await netd(['agent', '--check', '--config', '/dev/null', '--label', 'a=b']);
    expect(status).toBe(0);
    expect(out).toMatch(/^file +\/dev\/null\n.*\nlabels +a=b \(flag\)\n$/s);
  });
});

describe('help', () => {
  it.each([[[]], [['--help']], [['help']]])('netd %j', async (argv) => {
    const { status, out, err } = await netd(argv);
    expect([status, err]).toEqual([0, '']);
    for (const part of ['Commands:', 'First steps:', 'Files:', 'Environment:', 'Exit status:'])
      expect(out).toContain(part);
  });

  it('of every command fits a terminal and names what it is for', async () => {
    for (const command of ['agent', 'join', 'leave', 'status', 'inspect', 'version', 'completion']) {
      const { status, out } = await netd([command, '--help'], { isTTY: true, env: { NO_COLOR: '1' } });
      expect(status).toBe(0);
      expect(out).toContain(`Usage: netd ${command}`);
      expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
      expect((await netd(['help', command])).out.split('\n')[0]).toBe(out.split('\n')[0]);
    }
  });

  it.each<[string[], string]>([
    [['stauts'], "netd: unknown command 'stauts'\n  → Did you mean status?\n"],
    [['help', 'nonsense'], 'netd: unknown command \'nonsense\'\n  → See "netd --help".\n'],
    [['status', '--jsn'], "netd: unknown option '--jsn'\n  → Did you mean --json?\n"],
    [
      ['status', 'x'],
      'netd: too many arguments for \'status\'. Expected 0 arguments but got 1: x\n  → See "netd status --help".\n',
    ],
    [['--nonsense'], 'netd: unknown option \'--nonsense\'\n  → See "netd --help".\n'],
  ])('%j is a mistake', async (argv, err) => {
    expect(await netd(argv)).toEqual({ status: 2, out: '', err });
  });

  it('prints the version', async () => {
    expect(await netd(['--version'])).toEqual({ status: 0, out: '0.1.0\n', err: '' });
  });
});
