import { create } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { type Client, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AssignmentChange_AssignmentAction as Action,
  type AssignmentsMessage,
  AssignmentsMessage_Type as AssignmentsType,
  Dispatcher,
  type SessionMessage,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import { NodeDescriptionSchema, TaskState, TaskStatusSchema } from '#proto/gen/swarmkit/types_pb.js';
import { callServerStream, callUnary } from '#proto/grpc.ts';

/** A swarm with one worker, seen from that worker's side, and the few things its operator does. */
export interface ManagerUnderTest extends AsyncDisposable {
  /** A new connection with the worker's certificate. */
  readonly dial: () => Promise<Client>;
  /** Makes the manager assign one more task to the worker, to run. */
  readonly assignTask: () => Promise<string>;
  /** Makes the manager take the task away. */
  readonly removeTask: (taskId: string) => Promise<void>;
  /** The state the manager knows. */
  readonly taskState: (taskId: string) => Promise<TaskState | undefined>;
}

const DEADLINE_MS = 30_000;

/**
 * What the worker relies on, as checks that any manager has to pass: the fake one in every run, a real one where there is
 * one. Whatever the fake does otherwise than a real manager is a mistake in the fake.
 */
export function checkManager(name: string, start: () => Promise<ManagerUnderTest>): void {
  describe(`the manager protocol as ${name} speaks it`, { timeout: DEADLINE_MS }, () => {
    let manager: ManagerUnderTest;
    let client: Client;
    let scope: AbortController;

    beforeEach(async () => {
      manager = await start();
      client = await manager.dial();
      scope = new AbortController();
    }, DEADLINE_MS);
    afterEach(async () => {
      scope.abort(new Error('the test is over'));
      client.close();
      await manager[Symbol.asyncDispose]();
    }, DEADLINE_MS);

    const limits = () => ({ signal: scope.signal });
    const open = (sessionId = '', on = client): AsyncGenerator<SessionMessage, void, undefined> => {
      const description = create(NodeDescriptionSchema, { hostname: 'checked', platform: { os: 'linux' } });
      return callServerStream(on, Dispatcher.method.session, { description, sessionId }, limits());
    };
    const register = async (sessionId = ''): Promise<SessionMessage> => next(open(sessionId));
    const assignments = (sessionId: string): AsyncGenerator<AssignmentsMessage, void, undefined> =>
      callServerStream(client, Dispatcher.method.assignments, { sessionId }, limits());
    const beat = (sessionId: string) => callUnary(client, Dispatcher.method.heartbeat, { sessionId }, limits());
    const report = (sessionId: string, taskId: string, state: TaskState, more: object = {}) =>
      callUnary(
        client,
        Dispatcher.method.updateTaskStatus,
        { sessionId, updates: [{ taskId, status: create(TaskStatusSchema, { state, ...more }) }] },
        limits(),
      );

    it('registers: a session id, the node, the managers and the root, whole', async () => {
      const first = await register();
      expect(first.sessionId).toMatch(/^[0-9a-z]{25}$/);
      expect(first.node?.id).not.toBe('');
      expect(first.node?.description?.hostname).toBe('checked');
      expect(first.managers.length).toBeGreaterThan(0);
      expect(Buffer.from(first.rootCa).toString()).toContain('BEGIN CERTIFICATE');
    });

    it('takes up a session that is known, and opens a new one for an id that is not', async () => {
      const first = await register();
      expect((await register(first.sessionId)).sessionId).toBe(first.sessionId);
      expect((await register('not-a-session')).sessionId).not.toBe(first.sessionId);
    });

    it('answers a heartbeat with a period around the one set', async () => {
      const { sessionId } = await register();
      const { period } = await beat(sessionId);
      expect(period && durationMs(period)).toBeGreaterThanOrEqual(4500);
      expect(period && durationMs(period)).toBeLessThanOrEqual(5500);
    });

    it('refuses a wrong session in every call', async () => {
      const { sessionId } = await register();
      for (const wrong of ['', `${sessionId}x`]) {
        const calls = [
          beat(wrong),
          report(wrong, 'any', TaskState.RUNNING),
          callUnary(client, Dispatcher.method.updateVolumeStatus, { sessionId: wrong }, limits()),
          next(assignments(wrong)),
        ];
        for (const call of calls) {
          await expect(call).rejects.toMatchObject({ code: status.INVALID_ARGUMENT, details: 'session invalid' });
        }
      }
    });

    it('does not know a node that has not registered', async () => {
      await expect(beat('any')).rejects.toMatchObject({ code: status.NOT_FOUND, details: 'node not registered' });
      await expect(next(assignments('any'))).rejects.toMatchObject({ code: status.NOT_FOUND });
    });

    it('ends the session that another one replaces', async () => {
      const old = open();
      const { sessionId } = await next(old);
      await register();
      await expect(beat(sessionId)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
      await expect(drain(old)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT, details: 'session invalid' });
    });

    it('rations registrations, but not the taking up of a session', async () => {
      let { sessionId } = await register();
      for (let i = 0; i < 2; i++) ({ sessionId } = await register());
      for (let i = 0; i < 5; i++) await register(sessionId);
      await expect(register()).rejects.toMatchObject({
        code: status.UNAVAILABLE,
        details: expect.stringContaining('exceeded rate limit count of registrations'),
      });
    });

    it('begins assignments with all of them and goes on with numbered changes', async () => {
      const taskId = await manager.assignTask();
      const { sessionId } = await register();
      const stream = assignments(sessionId);
      const first = await next(stream);
      expect(first).toMatchObject({ type: AssignmentsType.COMPLETE, appliesTo: '', resultsIn: '1' });
      expect(taskIds(first, Action.UPDATE)).toEqual([taskId]);

      const second = await manager.assignTask();
      const change = await next(stream);
      expect(change).toMatchObject({ type: AssignmentsType.INCREMENTAL, appliesTo: '1', resultsIn: '2' });
      expect(taskIds(change, Action.UPDATE)).toContain(second);
    });

    it('sends secrets with or before the task that needs them', async () => {
      const { sessionId } = await register();
      const stream = assignments(sessionId);
      const given = new Set<string>();
      await manager.assignTask();
      for (let tasks = 0; tasks === 0; ) {
        const message = await next(stream);
        for (const { assignment } of message.changes) {
          if (assignment?.item.case === 'secret') given.add(assignment.item.value.id);
        }
        for (const { assignment } of message.changes) {
          if (assignment?.item.case !== 'task') continue;
          const runtime = assignment.item.value.spec?.runtime;
          const wanted = runtime?.case === 'container' ? runtime.value.secrets : [];
          for (const { secretId } of wanted) expect(given).toContain(secretId);
          tasks++;
        }
      }
    });

    it('takes task statuses forward only, and keeps its peace about tasks it does not know', async () => {
      const taskId = await manager.assignTask();
      const { sessionId } = await register();
      await report(sessionId, taskId, TaskState.RUNNING, { message: 'started' });
      await until(async () => (await manager.taskState(taskId)) === TaskState.RUNNING);
      await report(sessionId, taskId, TaskState.PREPARING, { message: 'too late' });
      await report(sessionId, 'zzzzzzzzzzzzzzzzzzzzzzzzz', TaskState.RUNNING);
      await report(sessionId, taskId, TaskState.FAILED, { err: 'task: non-zero exit (1)' });
      await until(async () => (await manager.taskState(taskId)) === TaskState.FAILED);
    });

    it('takes a task away by its id alone', async () => {
      const taskId = await manager.assignTask();
      const { sessionId } = await register();
      const stream = assignments(sessionId);
      await next(stream);
      await manager.removeTask(taskId);
      // A real manager first wants the task shut down and gone.
      for (;;) {
        const message = await next(stream);
        if (taskIds(message, Action.REMOVE).includes(taskId)) break;
        if (taskIds(message, Action.UPDATE).includes(taskId)) await report(sessionId, taskId, TaskState.SHUTDOWN);
      }
    });
  });
}

async function next<T>(stream: AsyncGenerator<T, void, undefined>): Promise<T> {
  const result = await stream.next();
  if (result.done) throw new Error('the stream has ended');
  return result.value;
}

async function drain<T>(stream: AsyncGenerator<T, void, undefined>): Promise<void> {
  for await (const _ of stream); // until it ends or fails
}

async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((resolve) => setTimeout(resolve, 20));
}

function taskIds(message: AssignmentsMessage, action: Action): readonly string[] {
  return message.changes.flatMap(({ assignment, action: itsAction }) =>
    itsAction === action && assignment?.item.case === 'task' ? [assignment.item.value.id] : [],
  );
}
