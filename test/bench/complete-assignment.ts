import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planContainer } from '#agent/container/container-plan.ts';
import { createAssignments } from '#agent/session/assignments.ts';
import { runAssignments } from '#agent/session/assignments-stream.ts';
import { EngineOfValues } from '#agent/tasks/engine-of-values.fixture.ts';
import type { TaskOperations } from '#agent/tasks/operations.ts';
import { createOutbox } from '#agent/tasks/outbox.ts';
import { createTaskStore } from '#agent/tasks/store.ts';
import { createTasks } from '#agent/tasks/tasks.ts';
import { systemClock } from '#base/clock.ts';
import { createLogger } from '#base/log.ts';
import { parseCredentials } from '#pki/credentials.ts';
import { dialManager } from '#pki/dial.ts';
import { Dispatcher } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { callServerStream } from '#proto/grpc.ts';

export interface CompleteAssignment {
  readonly tasks: number;
  /** From asking for the assignments to all of them taken and handed to the tasks. */
  readonly takenMs: number;
  /** From there until every task runs, on an engine that needs no time, with everything stored. */
  readonly runningMs: number;
  /** The longest time in which nothing else had its turn, in either part: on a busy machine that includes other processes. */
  readonly longestStallMs: number;
  /** The same in processor time of the main thread: what netd itself has to answer for. */
  readonly longestBusyMs: number;
}

/** One COMPLETE message with so many tasks, from the wire to running tasks, with everything but a real engine. */
export async function measureCompleteAssignment(tasks: number): Promise<CompleteAssignment> {
  const child = fork(join(import.meta.dirname, 'complete-assignment-manager.ts'), [String(tasks)]);
  const stateDir = await mkdtemp(join(tmpdir(), 'complete-assignment-'));
  try {
    const [manager] = (await once(child, 'message')) as [ManagerFacts];
    return await measure(manager, tasks, stateDir);
  } finally {
    child.kill();
    await rm(stateDir, { recursive: true, force: true });
  }
}

const ANSWERS_PER_TURN = 16;

interface ManagerFacts {
  readonly address: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly rootBundle: string;
}

async function measure(manager: ManagerFacts, count: number, stateDir: string): Promise<CompleteAssignment> {
  const log = createLogger('info');
  const scope = new AbortController();
  const { signal } = scope;
  const outbox = createOutbox();
  const store = createTaskStore(stateDir);
  const tasks = createTasks({
    operations: operations(),
    store,
    outbox,
    inputsReady: () => true,
    clock: systemClock,
    log,
  });
  const rootBundle = Buffer.from(manager.rootBundle);
  const credentials = parseCredentials({ ...manager, rootBundle }, Date.now());
  const target = { address: manager.address, serverName: 'swarm-manager' as const, rootBundle, credentials };
  const client = await dialManager(target, { timeoutMs: 5000 });
  const session = callServerStream(client, Dispatcher.method.session, {}, { signal });
  const first = await session.next();
  const sessionId = first.value?.sessionId ?? '';

  const watch = watchStalls();
  const startedMs = performance.now();
  const takenMs = await new Promise<number>((resolve, reject) => {
    const assignments = createAssignments();
    runAssignments(
      client,
      sessionId,
      assignments,
      (taken) => {
        tasks.assign({ complete: taken.complete, update: taken.updatedTasks, remove: taken.removedTasks });
        resolve(performance.now() - startedMs);
      },
      log,
      signal,
    ).catch(reject);
  });
  await tasks.idle();
  await store.flush();
  const runningMs = performance.now() - startedMs - takenMs;
  const longest = watch.stop();
  const running = tasks.all().filter(({ status }) => status?.state === TaskState.RUNNING).length;
  if (running !== count) throw new Error(`${running} of ${count} tasks run`);
  scope.abort(new Error('measured'));
  client.close();
  await tasks.close();
  return { tasks: count, takenMs, runningMs, ...longest };
}

/** Tasks are planned as for a real engine; their containers are values. */
function operations(): TaskOperations {
  const engine = new EngineOfValues();
  engine.turn = answersInTurn();
  const inner = engine.operations();
  const node = { id: 'node', hostname: 'host', platform: { architecture: 'x86_64', os: 'linux' } };
  return {
    resolve: (task) => {
      planContainer(task, { node, payloadDir: `/run/netd/tasks/${task.id}` });
      return inner.resolve(task);
    },
  };
}

/** Even the fastest engine answers a few calls at a time, not a thousand at once. */
function answersInTurn(): () => Promise<void> {
  const waiting: (() => void)[] = [];
  const answer = () => {
    for (const resolve of waiting.splice(0, ANSWERS_PER_TURN)) resolve();
    if (waiting.length > 0) setImmediate(answer);
  };
  return () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(answer);
    });
}

/** Takes every turn there is, and keeps the longest wait for one. */
function watchStalls(): { readonly stop: () => Pick<CompleteAssignment, 'longestStallMs' | 'longestBusyMs'> } {
  let longestStallMs = 0;
  let longestBusyMs = 0;
  let last = { atMs: performance.now(), busyMs: busyMs() };
  let stopped = false;
  const look = () => {
    const now = { atMs: performance.now(), busyMs: busyMs() };
    longestStallMs = Math.max(longestStallMs, now.atMs - last.atMs);
    longestBusyMs = Math.max(longestBusyMs, now.busyMs - last.busyMs);
    last = now;
    if (!stopped) setImmediate(look);
  };
  setImmediate(look);
  return {
    stop: () => {
      stopped = true;
      return { longestStallMs, longestBusyMs };
    },
  };
}

function busyMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

if (import.meta.main) {
  for (let i = 0; i < 5; i++) console.log(JSON.stringify(await measureCompleteAssignment(1000)));
}
