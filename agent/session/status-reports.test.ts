import { create } from '@bufbuild/protobuf';
import { Client, credentials, Server, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createOutbox, type Outbox } from '#agent/tasks/outbox.ts';
import { silentLogger } from '#base/log.ts';
import {
  Dispatcher,
  type UpdateTaskStatusRequest,
  UpdateTaskStatusResponseSchema,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import { TaskState, TaskStatusSchema } from '#proto/gen/swarmkit/types_pb.js';
import { serviceDefinition } from '#proto/grpc.ts';
import { eventually } from '#test/fake-manager/eventually.ts';
import { runStatusReports } from './status-reports.ts';

type Refusal = { code: status; details: string };

/** Decides what the manager says to a request with these tasks. */
let verdict: (taskIds: readonly string[]) => Refusal | undefined | Promise<Refusal | undefined>;
/** What the manager has taken: `id:state`. */
let accepted: string[];
let requests: string[][];
let server: Server;
let client: Client;
let outbox: Outbox;
let scope: AbortController;

beforeEach(async () => {
  accepted = [];
  requests = [];
  verdict = () => undefined;
  outbox = createOutbox();
  scope = new AbortController();
  server = new Server();
  server.addService(serviceDefinition(Dispatcher), {
    updateTaskStatus: async ({ request }: { request: UpdateTaskStatusRequest }, reply: sendUnaryData<unknown>) => {
      expect(request.sessionId).toBe('session');
      const ids = request.updates.map(({ taskId }) => taskId);
      requests.push(ids);
      const refusal = await verdict(ids);
      if (refusal) return reply(refusal);
      for (const { taskId, status: told } of request.updates) accepted.push(`${taskId}:${TaskState[told?.state ?? 0]}`);
      reply(null, create(UpdateTaskStatusResponseSchema));
    },
  });
  const port = await new Promise<number>((resolve) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound));
  });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterEach(() => {
  vi.useRealTimers();
  scope.abort(new Error('the test is over'));
  client.close();
  server.forceShutdown();
});

const put = (id: string, state = TaskState.RUNNING) => outbox.put(id, create(TaskStatusSchema, { state }));
const run = () => {
  const running = runStatusReports(client, 'session', outbox, silentLogger, scope.signal);
  running.catch(() => {}); // looked at by the tests that care
  return running;
};
const emptied = () => eventually(() => outbox.size() === 0, 'the outbox is empty');

describe('runStatusReports', () => {
  it('delivers what there is, and what comes later', async () => {
    put('a');
    put('b', TaskState.FAILED);
    void run();
    await emptied();
    expect(requests).toEqual([['a', 'b']]);
    put('c');
    await emptied();
    expect(accepted).toEqual(['a:RUNNING', 'b:FAILED', 'c:RUNNING']);
  });

  it('delivers a status again that changed while it was on its way', async () => {
    put('a', TaskState.STARTING);
    let changed = false;
    verdict = () => {
      if (!changed) put('a', TaskState.RUNNING);
      changed = true;
      return undefined;
    };
    void run();
    await emptied();
    expect(accepted).toEqual(['a:STARTING', 'a:RUNNING']);
  });

  it('singles out the tasks the manager will not take from this node', async () => {
    const refused = new Set(['c', 'f']);
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) put(id);
    verdict = (ids) =>
      ids.some((id) => refused.has(id))
        ? { code: status.PERMISSION_DENIED, details: 'cannot update a task not assigned this node' }
        : undefined;
    void run();
    await emptied();
    expect([...new Set(accepted)].sort()).toEqual(['a', 'b', 'd', 'e', 'g'].map((id) => `${id}:RUNNING`));
  });

  it('splits a request that is too large', async () => {
    for (let i = 0; i < 20; i++) put(String(i));
    verdict = (ids) =>
      ids.length > 4
        ? { code: status.RESOURCE_EXHAUSTED, details: 'grpc: received message larger than max (5000000 vs. 4194304)' }
        : undefined;
    void run();
    await emptied();
    expect(new Set(accepted).size).toBe(20);
  });

  it('takes not found for delivered: the next registration tells everything again', async () => {
    put('a');
    verdict = () => ({ code: status.NOT_FOUND, details: 'node not registered' });
    void run();
    await emptied();
    expect(accepted).toEqual([]);
  });

  it.each<[string, Refusal]>([
    ['an election', { code: status.RESOURCE_EXHAUSTED, details: 'more than one redirect to leader from [abc]' }],
    ['a removal', { code: status.PERMISSION_DENIED, details: 'Permission denied: node a was removed from swarm' }],
    ['another session', { code: status.INVALID_ARGUMENT, details: 'session invalid' }],
    ['a manager that stops', { code: status.ABORTED, details: 'dispatcher is stopped' }],
  ])('fails on %s and keeps every status', async (_, refusal) => {
    for (const id of ['a', 'b']) put(id);
    verdict = () => refusal;
    await expect(run()).rejects.toMatchObject(refusal);
    expect(outbox.pending(10).map(({ taskId }) => taskId)).toEqual(['a', 'b']);
    expect(requests).toHaveLength(1);
  });

  it('ends with its session and keeps what was not acknowledged', async () => {
    put('a');
    verdict = () => new Promise(() => {});
    const running = run();
    await eventually(() => requests.length === 1, 'the status is on its way');
    const why = new Error('the session has ended');
    scope.abort(why);
    await expect(running).rejects.toBe(why);
    expect(outbox.size()).toBe(1);
  });

  it('ends the session with a manager that takes calls and not what they say', async () => {
    put('a');
    const running = run();
    await emptied();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    verdict = () => new Promise(() => {});
    put('b');
    while (requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(30_001);
    await expect(running).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(outbox.pending(10).map(({ taskId }) => taskId)).toEqual(['b']);
  });

  it('keeps requests small when thousands of tasks have something to say', async () => {
    for (let i = 0; i < 2500; i++) put(String(i));
    void run();
    await emptied();
    expect(requests.map((ids) => ids.length)).toEqual([1000, 1000, 500]);
  });
});
