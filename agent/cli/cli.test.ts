import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LeaveRequest } from '#agent/api/control.ts';
import { ENGINE, READY, task } from '#agent/api/facts.fixture.ts';
import type { AgentConfig } from '#agent/config/config.ts';
import { NetdError } from '#base/errors.ts';
import { useCli } from './cli.fixture.ts';

const { directory, startAgent, netd } = useCli();

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

  it('wraps text in a pipe, and cuts nothing', async () => {
    const agent = await startAgent();
    agent.facts = { ...READY, engine: { ...ENGINE, state: 'down', error: 'word '.repeat(60) }, tasks: [task(1)] };
    const { out } = await netd(['status']);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect((await netd(['inspect', 'tasks'])).out).toContain('registry.example.org/shop/web:1.27');
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
    await writeFile(join(directory(), 'netd.yaml'), `run-dir: ${directory()}\n`);
    const env = { NETD_RUN_DIR: '', NETD_CONFIG: join(directory(), 'netd.yaml') };
    expect((await netd(['status'], { env })).status).toBe(0);
    expect((await netd(['status', '--run-dir', directory()], { env: { NETD_RUN_DIR: '/nowhere' } })).status).toBe(0);
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
    expect(Object.keys(all)).toEqual(['schemaVersion', 'node', 'tasks', 'networks', 'gossip', 'dns', 'drift', 'certs']);
    expect((await netd(['inspect'])).out).toMatch(/^Swarm\n.*\nTASK .*\nIssuer +CN=swarm-ca\n/s);
  });

  it('lists what exists when asked for something else', async () => {
    expect(await netd(['inspect', 'weather'])).toEqual({
      status: 2,
      out: '',
      err: 'netd: bad value "weather" for topic\n  → Allowed: node, tasks, networks, gossip, dns, drift, path, certs.\n',
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
      return true;
    };
    expect(await netd(['leave'])).toEqual({ status: 0, out: 'Node left the swarm.\n', err: '' });
    expect(JSON.parse((await netd(['leave', '--force', '--json'])).out)).toEqual({ schemaVersion: 1, left: true });
    expect(asked).toEqual([{ force: false }, { force: true }]);
  });

  it('says so when all there was is a join under way', async () => {
    const agent = await startAgent();
    agent.onLeave = async () => false;
    expect(await netd(['leave'])).toEqual({ status: 0, out: 'The join under way was given up.\n', err: '' });
    expect(JSON.parse((await netd(['leave', '--json'])).out)).toEqual({ schemaVersion: 1, left: false });
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

describe('netd agent', () => {
  it('starts the daemon with the configuration, and ends with its exit status', async () => {
    const path = join(directory(), 'netd.yaml');
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
      { stateDir: '/srv/netd', runDir: directory(), logLevel: 'warn', labels: { zone: 'b' }, configFile: path },
    ]);
    expect(started[0]?.genericResources.map((one) => one.value)).toEqual(['a', 'b']);
  });

  it('refuses a wrong configuration with every fault in it', async () => {
    const path = join(directory(), 'netd.yaml');
    await writeFile(path, 'state_dir: /x\nlog-level: loud\n');
    expect(await netd(['agent', '--config', path, '--metrics-addr', 'nine'])).toEqual({
      status: 2,
      out: '',
      err: [
        `netd: unknown key "state_dir" in ${path}:1`,
        '  → Did you mean "state-dir"?',
        'netd: bad value "nine" for --metrics-addr: the port is missing',
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
