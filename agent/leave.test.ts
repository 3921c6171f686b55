import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { resolveConfig } from '#agent/config/resolve.ts';
import { EngineServer } from '#agent/engine/engine-server.fixture.ts';
import { createTaskStore } from '#agent/tasks/store.ts';
import { type Clock, systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { CertificateStore } from '#pki/store.ts';
import { TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { eventually } from '#test/fake-manager/eventually.ts';
import { FakeManagers } from '#test/fake-manager/managers.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { Agent } from './agent.ts';

/** A host that is part of a swarm and runs one task of it, `web.1.t1` in the container c1. */

const INSPECT = '/containers/web.1.t1/json';
const STOP = '/containers/c1/stop';
const LIST = '/containers/json';
const REMOVE = '/containers/c1';

let scope: AsyncDisposableStack;
let managers: FakeManagers;
let engine: EngineServer;
let stateDir: string;
let runDir: string;
let agent: Agent;
let stop: () => Promise<void>;
let nodeId: string;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'netd-leave-'));
  scope.defer(() => rm(directory, { recursive: true }));
  runDir = await mkdtemp('/dev/shm/netd-leave-'); // in memory already: nothing has to be mounted
  scope.defer(() => rm(runDir, { recursive: true }));
  stateDir = join(directory, 'state');
  managers = scope.use(await FakeManagers.start(1));
  engine = scope.use(new EngineServer(join(directory, 'engine.sock')));
  await engine.start();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await scope.disposeAsync();
});

const start = async (clock: Clock = systemClock) => {
  await mkdir(stateDir);
  const credentials = managers.worker();
  ({ nodeId } = credentials);
  await new CertificateStore(stateDir).install(credentials);
  const store = createTaskStore(stateDir);
  const runtime = { case: 'container' as const, value: { image: 'app', stopGracePeriod: { seconds: 3600n } } };
  const task = { id: 't1', nodeId, slot: 1n, serviceAnnotations: { name: 'web' }, spec: { runtime } };
  const status = { state: TaskState.RUNNING };
  store.put(create(TaskRecordSchema, { task: { ...task, desiredState: TaskState.RUNNING }, status }));
  await store.flush();
  engine.answers[INSPECT] = {
    json: { Id: 'c1', State: { Status: 'running', Running: true, Pid: 7 }, NetworkSettings: {} },
  };
  engine.answers[LIST] = { json: [{ Id: 'c1', State: 'running', Labels: { 'com.docker.swarm.task.id': 't1' } }] };
  engine.answers[STOP] = { begins: ' ' };
  engine.answers[REMOVE] = { status: 204, text: '' };

  const directories = { 'state-dir': stateDir, 'run-dir': runDir, 'plugin-dir': `${stateDir}-plugins` };
  const { config } = resolveConfig({ flags: { ...directories, engine: engine.address }, env: {}, file: null });
  const world = { random: Math.random, version: '0.1.0', hostname: 'worker-1', fips: false };
  agent = new Agent(config, { ...world, clock, log: silentLogger });
  const told = new AbortController();
  const ran = agent.run(told.signal);
  stop = () => {
    told.abort(new Error('the test is over'));
    return ran;
  };
  scope.defer(async () => {
    engine.endBegun();
    await stop();
  });
  await eventually(() => engine.requests.includes(INSPECT), 'the task is taken up');
};
const asked = (path: string) => eventually(() => engine.requests.includes(path), `the engine is asked for ${path}`);
const identity = () => new CertificateStore(stateDir).load(Date.now());

describe('leaving', () => {
  it('gives a task 15 s to stop, whatever its own grace is, and then removes its container', async () => {
    const clock = new VirtualClock();
    clock.epochMs = Date.now();
    await start(clock);
    const left = agent.leave({ force: false });
    await asked(STOP);
    await clock.sleeping(({ ms }) => ms === 15_000);
    await clock.advance(14_999);
    expect(engine.requests).not.toContain(REMOVE);
    await clock.advance(1);
    await asked(REMOVE);
    engine.endBegun(); // a container that is gone has stopped
    await left;
    expect(agent.view().cluster.state).toBe('not-joined');
    expect(await identity()).toBeUndefined();
  });

  it('does not wait for a stop that goes on although the container was removed', async () => {
    const clock = new VirtualClock();
    clock.epochMs = Date.now();
    await start(clock);
    const left = agent.leave({ force: false });
    await clock.sleeping(({ ms }) => ms === 15_000);
    await clock.advance(15_000);
    await clock.sleeping(({ ms }) => ms === 2000);
    await clock.advance(2000);
    await left;
    expect(await identity()).toBeUndefined();
  });

  it('that cannot throw the identity away leaves the node a part of the swarm, and can be tried again', async () => {
    await start();
    engine.answers[STOP] = { status: 204, text: '' };
    const wipe = vi.spyOn(CertificateStore.prototype, 'wipe').mockRejectedValueOnce(new Error('EROFS: read-only'));
    await expect(agent.leave({ force: false })).rejects.toThrow('EROFS');
    expect(wipe).toHaveBeenCalledOnce();
    expect(agent.view().cluster).toMatchObject({ nodeId, state: 'connecting' });
    await agent.leave({ force: false });
    expect(agent.view().cluster.state).toBe('not-joined');
    expect(await identity()).toBeUndefined();
  });

  it('that cannot remove the containers is given up, and removes none behind the back of the node that goes on', async () => {
    await start();
    engine.answers[INSPECT] = { status: 500, text: '{"message":"not now"}' };
    engine.answers[LIST] = { status: 500, text: '{"message":"not now"}' };
    await expect(agent.leave({ force: false })).rejects.toThrow('not now');
    engine.answers[INSPECT] = { json: { Id: 'c1', State: { Status: 'running', Running: true }, NetworkSettings: {} } };
    await systemClock.sleep(1500); // another try comes after a second
    expect(engine.requests).not.toContain(STOP);
    expect(agent.view().tasks).toMatchObject([{ id: 't1', state: 'running' }]);
  });

  it('is finished before the agent ends', async () => {
    await start();
    const left = agent.leave({ force: false });
    await asked(STOP);
    let ended = false;
    const end = stop().finally(() => {
      ended = true;
    });
    await systemClock.sleep(100);
    expect(ended).toBe(false);
    engine.endBegun();
    await Promise.all([left, end]);
    expect(engine.requests).toContain(REMOVE);
    expect(await identity()).toBeUndefined();
  });
});
