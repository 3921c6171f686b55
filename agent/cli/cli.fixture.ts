import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { AgentControl, JoinRequest, LeaveRequest, NetworkQuestions } from '#agent/api/control.ts';
import { NOW_MS, READY } from '#agent/api/facts.fixture.ts';
import type { GossipDetail } from '#agent/api/gossip-facts.ts';
import { NO_NETWORKS } from '#agent/api/network-facts.ts';
import { viewOf } from '#agent/api/problems.ts';
import { type ApiServer, serveApi } from '#agent/api/server.ts';
import type { AgentFacts } from '#agent/api/view.ts';
import { systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { runCli } from './cli.ts';
import type { CliDeps } from './deps.ts';

/** An agent whose facts and answers the test sets. */
export class ScriptedAgent implements AgentControl {
  facts: AgentFacts = READY;
  onJoin: (request: JoinRequest, signal: AbortSignal) => Promise<{ nodeId: string; clusterId: string }> = () =>
    Promise.reject(new Error('not expected'));
  onLeave: (request: LeaveRequest) => Promise<boolean> = () => Promise.reject(new Error('not expected'));
  detail: GossipDetail = { peers: [], networks: [] };
  view = () => viewOf(this.facts, NOW_MS);
  gossip = () => this.detail;
  network: NetworkQuestions = {
    networks: () => ({ driverProblem: null, networks: [] }),
    dns: () => ({ hostServers: [], containers: [] }),
    drift: () => ({ ...NO_NETWORKS.drift, mended: [] }),
    lookup: () => {
      throw new Error('not expected');
    },
    path: () => Promise.reject(new Error('not expected')),
  };
  join = (request: JoinRequest, signal: AbortSignal) => this.onJoin(request, signal);
  leave = (request: LeaveRequest) => this.onLeave(request);
}

export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** The whole command line in this process, against the real API server on a real socket in a directory of its own. */
export interface CliHarness {
  /** That directory; a new one for every test. */
  readonly directory: () => string;
  readonly startAgent: () => Promise<ScriptedAgent>;
  readonly netd: (argv: readonly string[], changes?: Partial<CliDeps>) => Promise<Ran>;
}

/** Call it once at the top of a test file: it sets up and clears away around every test. */
export function useCli(): CliHarness {
  let directory = '';
  let server: ApiServer | undefined;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'netd-cli-'));
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
    await rm(directory, { recursive: true });
  });
  return {
    directory: () => directory,
    startAgent: async () => {
      const control = new ScriptedAgent();
      const clock = { ...systemClock, now: () => NOW_MS };
      server = await serveApi({ socketPath: join(directory, 'netd.sock'), control, clock, log: silentLogger });
      return control;
    },
    netd: async (argv, changes = {}) => {
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
    },
  };
}
