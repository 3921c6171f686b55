import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOutbox } from '#agent/tasks/outbox.ts';
import {
  type AssignmentChange_AssignmentAction as Action,
  AssignmentsMessage_Type as AssignmentsType,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import {
  NodeStatus_State as NodeState,
  TaskState,
  TaskStatusSchema,
  VolumeAssignmentSchema,
} from '#proto/gen/swarmkit/types_pb.js';
import { eventually } from '#test/fake-manager/eventually.ts';
import { FakeManagers } from '#test/fake-manager/managers.ts';
import { refusal } from '#test/fake-manager/refusal.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { SessionUnderTest, type WorkerOptions } from '#test/fake-manager/worker.ts';

let clock: VirtualClock;
let managers: FakeManagers;
let workers: SessionUnderTest[];

beforeEach(() => {
  clock = new VirtualClock();
  workers = [];
});
afterEach(async () => {
  for (const worker of workers) await worker.stop();
  await managers[Symbol.asyncDispose]();
});

const startManagers = async (count = 1) => {
  managers = await FakeManagers.start(count, { clock, batchMs: 0, random: () => 0.5 });
};
const startWorker = (options: Partial<WorkerOptions> = {}): SessionUnderTest => {
  const worker = new SessionUnderTest(managers, { clock, ...options });
  workers.push(worker);
  return worker;
};
const start = async (options: Partial<WorkerOptions> = {}): Promise<SessionUnderTest> => {
  await startManagers();
  const worker = startWorker(options);
  await worker.settled(1);
  return worker;
};
const nodeOf = (worker: SessionUnderTest) => managers.swarm.nodes.get(worker.nodeId);
const state = (worker: SessionUnderTest) => worker.session.state();
const sleepingMs = (ms: number) => clock.sleeping((sleeper) => sleeper.ms === ms);
/** Lets the worker's next heartbeat happen and be answered. */
const beat = async (periodMs = 5000) => {
  const before = managers.dispatcher.count('heartbeat');
  await sleepingMs(periodMs);
  await clock.advance(periodMs);
  await eventually(() => managers.dispatcher.count('heartbeat') > before, 'the worker sends a heartbeat');
};

describe('a session', { timeout: 60_000 }, () => {
  it('registers, tells what the node is, and hears what it needs before its assignments', async () => {
    const worker = await start();
    expect(nodeOf(worker)).toMatchObject({
      status: { state: NodeState.READY, addr: '127.0.0.1' },
      description: { hostname: 'worker' },
    });
    expect(worker.messages[0]).toMatchObject({ sessionId: worker.registered[0], node: { id: worker.nodeId } });
    expect(state(worker)).toMatchObject({ kind: 'registered', manager: { addr: managers.addresses[0] } });
    expect(managers.dispatcher.calls.map(({ method }) => method).indexOf('assignments')).toBeGreaterThan(0);
  });

  it('does not mind a wall clock that jumps: beats go on, and it stays the same session', async () => {
    const DAY_MS = 86_400_000;
    const worker = await start();
    for (const jumpMs of [DAY_MS, -2 * DAY_MS, DAY_MS]) {
      clock.epochMs += jumpMs;
      await beat();
    }
    await sleepingMs(5000); // the last beat was answered
    expect(worker.registered).toHaveLength(1);
    expect(nodeOf(worker)?.status?.state).toBe(NodeState.READY);
    expect(state(worker)).toMatchObject({ kind: 'registered', lastHeartbeatMs: clock.now() });
  });

  it('beats at once, and then at the period the manager asks for', async () => {
    const worker = await start();
    await sleepingMs(5000);
    expect(managers.dispatcher.count('heartbeat')).toBe(1);
    for (let i = 0; i < 5; i++) await beat();
    managers.dispatcher.registrations.periodMs = 20_000;
    await beat();
    await beat(20_000);
    await sleepingMs(20_000);
    expect(nodeOf(worker)?.status?.state).toBe(NodeState.READY);
    expect(state(worker)).toMatchObject({ heartbeatPeriodMs: 20_000, lastHeartbeatMs: clock.now() });
    expect(worker.ends).toEqual([]);
  });

  it('is taken up again with the same id after its connection broke', async () => {
    const worker = await start();
    managers.dispatcher.endStreams(refusal(status.UNAVAILABLE, 'the network is gone'));
    await worker.settled(2);
    expect(worker.registered[1]).toBe(worker.registered[0]);
    expect(worker.ends).toMatchObject([{ kind: 'lost' }]);
    expect(worker.session.replacedInARow()).toBe(0);
  });

  it('is taken up again by a process that has been started anew', async () => {
    const first = await start();
    await first.stop();
    const [lastSessionId = ''] = first.registered;
    const second = startWorker({ credentials: first.credentials, session: { lastSessionId } });
    await second.settled(1);
    expect(second.registered).toEqual([lastSessionId]);
  });

  it.each(['heartbeat', 'assignments', 'updateTaskStatus'] as const)(
    'ends when %s fails, and begins anew',
    async (method) => {
      const worker = await start();
      managers.dispatcher.faults.set(method, {
        kind: 'refuse',
        code: status.ABORTED,
        details: 'dispatcher is stopped',
        times: 1,
      });
      if (method === 'heartbeat') await sleepingMs(5000).then(() => clock.advance(5000));
      if (method === 'assignments') managers.dispatcher.endStreams(refusal(status.UNAVAILABLE, 'broken'));
      if (method === 'updateTaskStatus') worker.outbox.put('t', create(TaskStatusSchema, { state: TaskState.RUNNING }));
      await eventually(() => worker.ends.length >= (method === 'assignments' ? 2 : 1), 'the session ends');
      await worker.settled(2);
      expect(worker.ends.at(-1)).toMatchObject({ kind: 'lost', text: 'dispatcher is stopped' });
      if (method === 'updateTaskStatus') await eventually(() => worker.outbox.size() === 0, 'the status is delivered');
    },
  );

  it.each(['session', 'assignments'] as const)('ends when the manager ends the %s stream', async (method) => {
    await startManagers();
    managers.dispatcher.faults.set(method, { kind: 'end', times: 1 });
    const worker = startWorker();
    await worker.settled(1);
    expect(worker.ends).toMatchObject([{ kind: 'lost' }]);
  });

  it('gives a manager that never answers 5 s', async () => {
    await startManagers();
    managers.dispatcher.faults.set('session', { kind: 'silence', times: 1 });
    const worker = startWorker();
    await sleepingMs(5000);
    await clock.advance(4999);
    expect(worker.ends).toEqual([]);
    await clock.advance(1);
    await worker.settled(1);
    expect(worker.ends).toEqual([{ kind: 'lost', text: 'the manager did not answer within 5 s', leastWaitMs: 0 }]);
  });

  it('ends when its logs can no longer be served', async () => {
    await startManagers();
    let served = 0;
    const worker = startWorker({
      session: {
        serveLogs: async (_, signal) => {
          if (served++ === 0) throw new Error('broker is not running');
          await clock.sleep(2 ** 40, signal);
        },
      },
    });
    await eventually(() => worker.registered.length >= 2, 'the worker registers again');
    expect(worker.ends).toMatchObject([{ kind: 'lost', text: 'broker is not running' }]);
  });

  it('stops when told to, and leaves nothing behind', async () => {
    const worker = await start();
    await sleepingMs(5000);
    await worker.stop();
    await eventually(() => managers.dispatcher.open('session') === 0, 'the streams are closed');
    // What still sleeps is the manager's patience with the node.
    expect(clock.sleepers.map(({ ms }) => ms)).toEqual([15_000]);
    await clock.advance(15_000);
    expect(nodeOf(worker)?.status).toMatchObject({ state: NodeState.DOWN, message: 'heartbeat failure' });
  });
});

describe('a session that something happens to', { timeout: 60_000 }, () => {
  it('tells a new description at once, in the same session', async () => {
    const worker = await start({ random: () => 0.999 });
    worker.describeAs('renamed');
    await worker.settled(2);
    expect(worker.ends).toEqual([{ kind: 'described' }]);
    expect(worker.registered[1]).toBe(worker.registered[0]);
    expect(nodeOf(worker)?.description?.hostname).toBe('renamed');
    expect(clock.monotonicMs()).toBe(0);
  });

  it('registers anew after its place was lost, and tells all statuses again', async () => {
    const outbox = createOutbox();
    await startManagers();
    const told: string[] = [];
    const worker = startWorker({
      session: {
        outbox,
        onRegistered: (id) => {
          told.push(id);
          outbox.put(task.id, create(TaskStatusSchema, { state: TaskState.RUNNING }));
        },
      },
    });
    const task = managers.swarm.addTask(worker.nodeId);
    await eventually(() => managers.swarm.taskState(task.id) === TaskState.RUNNING, 'the status is told');
    managers.dispatcher.stepDown();
    expect(nodeOf(worker)?.status?.state).toBe(NodeState.UNKNOWN);
    await eventually(() => told.length === 2, 'the worker registers again');
    expect(told[1]).not.toBe(told[0]);
    expect(nodeOf(worker)?.status?.state).toBe(NodeState.READY);
    await eventually(() => managers.swarm.told.get(task.id)?.length === 2, 'the status is told again');
  });

  it('registers anew after the manager gave it up', async () => {
    const worker = await start();
    managers.dispatcher.registrations.forget(worker.nodeId);
    await beat();
    await worker.settled(2);
    expect(worker.ends).toMatchObject([{ kind: 'lost', text: 'node not registered' }]);
    expect(worker.registered[1]).not.toBe(worker.registered[0]);
  });

  it('registers anew when the manager has it as down in the middle of a session', async () => {
    const worker = await start();
    managers.swarm.setNodeStatus(worker.nodeId, NodeState.DOWN, 'heartbeat failure');
    await eventually(() => worker.messages.at(-1)?.node?.status?.state === NodeState.DOWN, 'the worker is told');
    await beat();
    expect(worker.ends).toEqual([]);
    await beat();
    await worker.settled(2);
    expect(worker.ends).toMatchObject([{ kind: 'lost', text: expect.stringContaining('as down') }]);
    expect(worker.registered[1]).not.toBe(worker.registered[0]);
    expect(nodeOf(worker)?.status?.state).toBe(NodeState.READY);
    for (let i = 0; i < 3; i++) await beat();
    expect(worker.registered).toHaveLength(2);
  });

  it('asks for all assignments again after a gap, in the same session', async () => {
    const worker = await start();
    let lost = 0;
    managers.dispatcher.faults.editAssignments = (message) => (lost++ === 0 ? undefined : message);
    managers.swarm.addTask(worker.nodeId);
    await eventually(() => lost === 1, 'a message is lost');
    const { id } = managers.swarm.addTask(worker.nodeId);
    await eventually(() => worker.taken.length === 2, 'assignments come again');
    expect(worker.taken[1]).toMatchObject({ complete: true });
    expect(worker.taken[1]?.updatedTasks.map((task) => task.id)).toContain(id);
    expect(worker.taken[1]?.updatedTasks).toHaveLength(2);
    expect([worker.ends, managers.dispatcher.count('assignments')]).toEqual([[], 2]);
  });

  it('does not go round and round with a manager whose assignments never fit', async () => {
    await startManagers();
    managers.dispatcher.faults.editAssignments = (message) => ({ ...message, type: AssignmentsType.INCREMENTAL });
    const worker = startWorker({ random: () => 0.5 });
    await eventually(() => worker.ends.length === 1, 'the session ends');
    expect(worker.ends).toMatchObject([{ kind: 'lost', text: expect.stringContaining('gap') }]);
    expect(managers.dispatcher.count('assignments')).toBe(3);
    expect(state(worker)).toMatchObject({ kind: 'waiting', failures: 1 });
    managers.dispatcher.faults.editAssignments = undefined;
    await sleepingMs(50);
    await clock.advance(50);
    await worker.settled(1);
  });

  it('knows when another process has its identity, also when both run into the rate limit', async () => {
    const worker = await start();
    managers.dispatcher.faults.set('session', {
      kind: 'refuse',
      code: status.UNAVAILABLE,
      details: 'node x exceeded rate limit count of registrations',
      times: 1,
    });
    managers.dispatcher.replaceSession(worker.nodeId);
    await sleepingMs(8500);
    await clock.advance(8500);
    await worker.settled(2);
    managers.dispatcher.replaceSession(worker.nodeId);
    await worker.settled(3);
    expect(worker.ends.map(({ kind }) => kind)).toEqual(['replaced', 'lost', 'replaced']);
    expect(worker.session.replacedInARow()).toBe(2);
  });

  it('forgets a suspicion once a session has lived', async () => {
    const worker = await start();
    managers.dispatcher.replaceSession(worker.nodeId);
    await worker.settled(2);
    expect(worker.ends).toMatchObject([{ kind: 'replaced' }]);
    expect(worker.session.replacedInARow()).toBe(1);
    await clock.advance(9000); // past the rate limit
    for (let i = 0; i < 5; i++) await beat();
    managers.dispatcher.endStreams(refusal(status.ABORTED, 'node must disconnect'));
    await worker.settled(3);
    expect(worker.session.replacedInARow()).toBe(0);
  });

  it('forgets a suspicion while the session that was left alone lives on', async () => {
    const worker = await start();
    managers.dispatcher.replaceSession(worker.nodeId);
    await worker.settled(2);
    await clock.advance(9000); // past the rate limit
    expect(worker.session.replacedInARow()).toBe(1);
    for (let i = 0; i < 5; i++) await beat();
    expect(worker.ends).toHaveLength(1);
    expect(worker.session.replacedInARow()).toBe(0);
  });

  it.each<[string, (worker: SessionUnderTest) => void]>([
    ['removed by force', ({ nodeId }) => managers.swarm.removeNode(nodeId)],
    ['deleted', ({ nodeId }) => managers.swarm.nodes.delete(nodeId)],
  ])('asks seldom once its node was %s', async (_, remove) => {
    const worker = await start();
    remove(worker);
    managers.dispatcher.stepDown();
    await eventually(() => worker.ends.at(-1)?.kind === 'removed', 'the removal is noticed');
    const sessions = worker.dialled.length;
    await sleepingMs(60_000);
    await clock.advance(59_000);
    expect(worker.dialled).toHaveLength(sessions);
    expect(state(worker)).toMatchObject({ kind: 'waiting', end: { kind: 'removed' } });
    await clock.advance(1000);
    await eventually(() => worker.dialled.length === sessions + 1, 'it asks again');
  });

  it('says so when its certificate is of another swarm', async () => {
    await startManagers();
    const worker = startWorker({ credentials: managers.worker(undefined, { organization: 'another' }) });
    await eventually(() => worker.ends.length > 0, 'the session ends');
    expect(worker.ends).toMatchObject([{ kind: 'wrong-cluster', leastWaitMs: 60_000 }]);
  });

  it('waits out the rate limit', async () => {
    await startManagers();
    managers.dispatcher.faults.set('session', {
      kind: 'refuse',
      code: status.UNAVAILABLE,
      details: 'node x exceeded rate limit count of registrations',
      times: 1,
    });
    const worker = startWorker();
    await sleepingMs(8500);
    await clock.advance(8500);
    await worker.settled(1);
  });
});

describe('a session with several managers', { timeout: 60_000 }, () => {
  it.each([
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ])(
    'goes on with those that are left when they go in the order %d, %d, %d, and when they come back',
    async (...order) => {
      await startManagers(3);
      const { addresses } = managers;
      const worker = startWorker();
      await worker.settled(1);
      for (const index of order.slice(0, 2)) {
        const address = addresses[index] ?? '';
        await managers.stop(address);
        const nowAt = () => {
          const now = state(worker);
          return now.kind === 'registered' && managers.addresses.includes(now.manager.addr);
        };
        await eventually(nowAt, 'the worker is at a manager that is up');
      }
      // Whoever it was with, the leader still knew the session.
      expect(new Set(worker.registered).size).toBe(1);
      const last = addresses[order[2] ?? 0] ?? '';
      await managers.stop(last);
      await eventually(() => worker.ends.at(-1)?.kind === 'lost', 'the last session ends');
      const before = worker.registered.length;
      await managers.add(Number(last.split(':').at(-1)));
      await eventually(() => worker.registered.length > before, 'the worker is back');
    },
  );

  it('turns to another manager after each failure: none of several is tried twice in a row', async () => {
    await startManagers(3);
    const { addresses } = managers;
    const worker = startWorker();
    await worker.settled(1);
    for (const address of addresses) await managers.stop(address);
    await eventually(() => worker.dialled.length > 40, 'the worker has tried them often');
    const tried = worker.dialled.slice(1); // the first was well, and may be tried again
    expect(tried.filter((address, i) => i > 1 && address === tried[i - 1])).toEqual([]);
    expect(new Set(tried)).toEqual(new Set(addresses));
  });

  it('waits longer and longer while all are gone: 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 8, 8 s', async () => {
    const worker = await start({ random: () => 0.5 });
    const [address = ''] = managers.addresses;
    await managers.stop(address);
    const waited: number[] = [];
    for (const boundMs of [100, 300, 700, 1500, 3100, 6300, 8000, 8000]) {
      const failures = waited.length + 1;
      await eventually(() => {
        const now = state(worker);
        return now.kind === 'waiting' && now.failures === failures;
      }, `failure ${failures}`);
      const { ms } = await sleepingMs(boundMs / 2);
      waited.push(ms * 2);
      await clock.advance(ms);
    }
    expect(waited).toEqual([100, 300, 700, 1500, 3100, 6300, 8000, 8000]);
    await managers.add(Number(address.split(':').at(-1)));
    const { ms } = await sleepingMs(4000);
    await clock.advance(ms);
    await worker.settled(2);
    // A session that has stood for a while begins the count again.
    for (let i = 0; i < 2; i++) await beat();
    managers.dispatcher.endStreams(refusal(status.ABORTED, 'node must disconnect'));
    await sleepingMs(50);
  });
});

describe('a session with a manager out of its mind', { timeout: 60_000 }, () => {
  it('lives through a flood of messages', async () => {
    const worker = await start();
    managers.dispatcher.faults.sessionCopies = 10_000;
    managers.swarm.managers = [...managers.swarm.managers, { nodeId: 'new', addr: '127.0.0.1:1' }];
    managers.swarm.changed();
    for (let i = 0; i < 3; i++) await beat(); // while they come
    await eventually(() => worker.messages.length > 10_000, 'all messages have come');
    expect(worker.ends).toEqual([]);
  });

  it('takes secrets far beyond the usual limit of a message', async () => {
    await startManagers();
    const credentials = managers.worker();
    const secrets = Array.from({ length: 20 }, (_, i) => managers.swarm.addSecret(Buffer.alloc(400 * 1024, i)));
    managers.swarm.addTask(credentials.nodeId, {
      spec: {
        runtime: { case: 'container', value: { image: 'i', secrets: secrets.map(({ id }) => ({ secretId: id })) } },
      },
    });
    const worker = startWorker({ credentials });
    await worker.settled(1);
    for (const [i, { id }] of secrets.entries()) {
      const data = worker.assignments.secret(id)?.spec?.data ?? Buffer.alloc(0);
      expect(Buffer.compare(data, Buffer.alloc(400 * 1024, i))).toBe(0);
    }
  });

  it.each<[string, () => void]>([
    [
      'parts are missing',
      () => {
        managers.dispatcher.faults.editSession = ({ sessionId, $typeName }) => ({
          $typeName,
          sessionId,
          managers: [],
          networkBootstrapKeys: [],
          rootCa: new Uint8Array(),
        });
      },
    ],
    [
      'enums are unknown',
      () => {
        managers.dispatcher.faults.editAssignments = (message) => ({
          ...message,
          changes: message.changes.map((change) => ({ ...change, action: 99 as Action })),
        });
        const [node] = managers.swarm.nodes.keys();
        if (node !== undefined) managers.swarm.addTask(node, { desiredState: 12345 as TaskState });
      },
    ],
  ])('goes on when %s', async (_, prepare) => {
    await startManagers();
    const credentials = managers.worker();
    prepare();
    const worker = startWorker({ credentials });
    await worker.settled(1);
    await sleepingMs(5000);
    await beat();
    expect(worker.ends).toEqual([]);
    expect(worker.remotes.peers()).toHaveLength(1);
  });

  it('comes back later and later to one that lets it in and breaks off', async () => {
    await startManagers();
    managers.dispatcher.faults.set('assignments', { kind: 'refuse', code: status.INTERNAL, details: 'no' });
    const worker = startWorker({ random: () => 0.5 });
    for (const [index, boundMs] of [100, 300, 700, 1500].entries()) {
      await eventually(() => worker.ends.length === index + 1, `end ${index + 1}`);
      await sleepingMs(boundMs / 2);
      await clock.advance(boundMs / 2);
    }
    managers.dispatcher.faults.clear('assignments');
    expect(worker.registered.length).toBeGreaterThanOrEqual(4);
  });

  it('does not go on without a session id', async () => {
    await startManagers();
    managers.dispatcher.faults.editSession = (message) => ({ ...message, sessionId: '' });
    const worker = startWorker({ random: () => 0.5 });
    await eventually(() => worker.ends.length === 1, 'the session ends');
    expect(worker.ends).toMatchObject([{ kind: 'lost', text: 'the manager gave the session no id' }]);
    expect(managers.dispatcher.count('heartbeat')).toBe(0);
  });

  it('lets go of cluster volumes the manager takes back, also of a manager that knows none', async () => {
    const worker = await start();
    managers.swarm.volumes.set(worker.nodeId, [create(VolumeAssignmentSchema, { id: 'volume' })]);
    managers.swarm.changed();
    await eventually(() => worker.taken.length === 2, 'the volume is assigned');
    managers.swarm.volumes.delete(worker.nodeId);
    managers.swarm.changed();
    await eventually(() => managers.dispatcher.unpublished.length === 1, 'the volume is let go');
    expect(worker.ends).toEqual([]);
  });
});
