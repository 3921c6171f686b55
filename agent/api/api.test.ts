import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#base/clock.ts';
import { NetdError } from '#base/errors.ts';
import { silentLogger } from '#base/log.ts';
import { createApiClient } from './client.ts';
import type { AgentControl, JoinRequest } from './control.ts';
import { statusDocument } from './documents.ts';
import { NOT_JOINED, NOW_MS, READY, task } from './facts.fixture.ts';
import { NO_NETWORKS } from './network-facts.ts';
import { viewOf } from './problems.ts';
import { statusSchema } from './schema.ts';
import { type ApiServer, serveApi } from './server.ts';

const TOKEN = `SWMTKN-1-${'a'.repeat(50)}-${'b'.repeat(25)}`;
const JOIN: JoinRequest = {
  token: TOKEN,
  addresses: ['10.0.0.1:2377'],
  advertiseAddr: null,
  dataPathAddr: 'eth1',
  availability: 'drain',
  force: false,
};

let directory: string;
let socketPath: string;
let server: ApiServer | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'netd-api-'));
  socketPath = join(directory, 'netd.sock');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(directory, { recursive: true });
});

async function serve(control: Partial<AgentControl>): Promise<ReturnType<typeof createApiClient>> {
  const whole: AgentControl = {
    view: () => viewOf(READY, NOW_MS),
    gossip: () => ({ peers: [], networks: [] }),
    network: {
      networks: () => ({ driverProblem: null, networks: [] }),
      dns: () => ({ hostServers: [], containers: [] }),
      drift: () => ({ ...NO_NETWORKS.drift, mended: [] }),
      lookup: () => ({ container: 'web.1', explanation: null }),
      path: () => Promise.reject(new NetdError('no-such-name', 'nothing is called so', { mend: 'There are db, web.' })),
    },
    join: () => Promise.reject(new Error('not expected')),
    leave: () => Promise.reject(new Error('not expected')),
    ...control,
  };
  server = await serveApi({
    socketPath,
    control: whole,
    clock: { ...systemClock, now: () => NOW_MS },
    log: silentLogger,
  });
  return createApiClient(socketPath);
}

/** One raw request; gives the whole answer. */
async function raw(text: string): Promise<string> {
  const socket = connect(socketPath);
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

describe('the local API', () => {
  it('shows the view in parts', async () => {
    const tasks = [
      task(2),
      task(1, { state: 'failed', desired: 'shutdown' }),
      task(1, { service: 'api', state: 'complete', desired: 'complete' }),
    ];
    const client = await serve({ view: () => viewOf({ ...READY, tasks }, NOW_MS) });
    const status = await client.status();
    expect(status.document.cluster).toEqual(READY.cluster);
    expect(status.document.tasks).toEqual({ total: 3, wanted: 1, byState: { running: 1, failed: 1, complete: 1 } });
    expect(status.raw).toEqual(status.document); // the schema forgets nothing
    const node = await client.node();
    expect(node.raw).toEqual(node.document);
    expect(node.document.description).toEqual(READY.description);
    const listed = await client.tasks();
    expect(listed.raw).toEqual(listed.document);
    expect(listed.document.tasks.map((one) => `${one.service}.${one.slot}`)).toEqual(['api.1', 'web.1', 'web.2']);
    const certs = await client.certs();
    expect(certs.raw).toEqual({ schemaVersion: 1, at: '2026-03-10T12:00:00.000Z', certificates: READY.certificates });
    expect((await client.version()).document).toEqual({ schemaVersion: 1, version: '0.1.0', pid: 4242 });
  });

  it('shows a node that has not joined', async () => {
    const client = await serve({ view: () => viewOf(NOT_JOINED, NOW_MS) });
    expect((await client.status()).document).toMatchObject({ certificates: null, problems: [{ code: 'not-joined' }] });
    expect((await client.certs()).document.certificates).toBe(null);
  });

  it('understands an agent from before an upgrade', () => {
    const { joinError: _, ...cluster } = NOT_JOINED.cluster;
    const sent = JSON.parse(JSON.stringify(statusDocument(viewOf(NOT_JOINED, NOW_MS), new Date(NOW_MS).toISOString())));
    const read = statusSchema.parse({ ...sent, cluster });
    expect(read.cluster.joinError).toBe(null);
  });

  it('hands a join over as it was asked', async () => {
    const asked: JoinRequest[] = [];
    const client = await serve({
      join: async (request) => {
        asked.push(request);
        return { nodeId: 'n', clusterId: 'c' };
      },
    });
    expect((await client.join(JOIN, new AbortController().signal)).document).toEqual({
      schemaVersion: 1,
      nodeId: 'n',
      clusterId: 'c',
    });
    expect(asked).toEqual([JOIN]);
  });

  it('tells the agent when the caller stops waiting', async () => {
    const called = Promise.withResolvers<AbortSignal>();
    const stopped = Promise.withResolvers<void>();
    const client = await serve({
      join: (_, signal) => {
        signal.addEventListener('abort', () => stopped.resolve());
        called.resolve(signal);
        return new Promise(() => {});
      },
    });
    const caller = new AbortController();
    const joining = client.join(JOIN, caller.signal);
    await called.promise;
    const reason = new Error('enough');
    caller.abort(reason);
    await expect(joining).rejects.toBe(reason);
    await stopped.promise;
  });

  it("keeps the words of the agent's errors, without any token", async () => {
    const client = await serve({
      join: (request) =>
        Promise.reject(
          new NetdError('bad-token', `the manager refused ${request.token}`, { mend: `Not ${request.token}!` }),
        ),
      leave: () => Promise.reject(new Error('disk on fire', { cause: new Error(TOKEN) })),
    });
    await expect(client.join(JOIN, new AbortController().signal)).rejects.toMatchObject({
      code: 'bad-token',
      message: 'the manager refused SWMTKN-…',
      mend: 'Not SWMTKN-…!',
    });
    await expect(client.leave({ force: true }, new AbortController().signal)).rejects.toMatchObject({
      code: 'internal',
      message: 'disk on fire: SWMTKN-…',
      mend: undefined,
    });
  });

  it.each<[string, string, RegExp]>([
    ['an unknown path', 'GET /v1/nope HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 404 .*"code":"no-such-path"/s],
    ['a name every object has', 'GET constructor HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 40[04] /],
    ['a wrong method', 'DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 405 .*It takes GET/s],
    ['no HTTP at all', 'hello\r\n\r\n', /^HTTP\/1.1 400 /],
    [
      'no JSON',
      'POST /v1/leave HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{',
      /^HTTP\/1.1 400 .*the body of the request is not JSON/s,
    ],
    [
      'an unknown field',
      'POST /v1/leave HTTP/1.1\r\nHost: x\r\nContent-Length: 23\r\n\r\n{"force":true,"fast":1}',
      /^HTTP\/1.1 400 .*unrecognized_keys/s,
    ],
    [
      'a wrong field',
      'POST /v1/leave HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{"force":1}',
      /^HTTP\/1.1 400 .*wrong at \\"force\\"/s,
    ],
    [
      'a huge body',
      `POST /v1/leave HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n${' '.repeat(65_537)}`,
      /^HTTP\/1.1 413 /,
    ],
  ])('refuses %s', async (_, text, expected) => {
    await serve({});
    expect(await raw(text)).toMatch(expected);
  });

  it('never says what was in a body', async () => {
    await serve({});
    const body = JSON.stringify({ ...JOIN, [TOKEN]: 1, availability: TOKEN });
    const answer = await raw(`POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).not.toContain('aaaa');
  });
});

describe('the client', () => {
  it('says that nobody is there', async () => {
    await expect(createApiClient(socketPath).status()).rejects.toMatchObject({
      code: 'daemon-unreachable',
      message: `no agent is running at ${socketPath}`,
    });
  });

  it.each<[string, string]>([
    ['something that is not JSON', 'hello'],
    ['another schema', '{"schemaVersion":2}'],
    ['missing fields', '{"schemaVersion":1,"version":"9"}'],
  ])('refuses %s', async (_, body) => {
    const other = createServer((socket) => {
      socket.resume();
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    await new Promise<void>((resolve) => other.listen(socketPath, resolve));
    await expect(createApiClient(socketPath).version()).rejects.toMatchObject({ code: 'daemon-mismatch' });
    await new Promise((resolve) => other.close(resolve));
  });
});
