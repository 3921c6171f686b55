import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JoinRequest } from '#agent/api/control.ts';
import { resolveConfig } from '#agent/config/resolve.ts';
import { EngineServer, VERSION } from '#agent/engine/engine-server.fixture.ts';
import { createTaskStore } from '#agent/tasks/store.ts';
import { systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { CertificateStore } from '#pki/store.ts';
import { TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { eventually } from '#test/fake-manager/eventually.ts';
import { FakeManagers } from '#test/fake-manager/managers.ts';
import { Agent } from './agent.ts';

let scope: AsyncDisposableStack;
let managers: FakeManagers;
let engine: EngineServer;
let directory: string;
let stateDir: string;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  directory = await mkdtemp(join(tmpdir(), 'netd-agent-'));
  scope.defer(() => rm(directory, { recursive: true }));
  stateDir = join(directory, 'state');
  managers = scope.use(await FakeManagers.start(1));
  engine = scope.use(new EngineServer(join(directory, 'engine.sock')));
  await engine.start();
});
afterEach(() => scope.disposeAsync());

const newAgent = () => {
  const flags = {
    'state-dir': stateDir,
    'run-dir': join(directory, 'run'),
    'plugin-dir': join(directory, 'plugins'),
    engine: engine.address,
  };
  const { config } = resolveConfig({ flags, env: {}, file: null });
  const world = { clock: systemClock, random: Math.random, version: '0.1.0', hostname: 'worker-1', fips: false };
  return new Agent(config, { ...world, log: silentLogger });
};
/** Runs until the test is over, or `stop` is called. */
const running = async () => {
  const agent = newAgent();
  const told = new AbortController();
  const ran = agent.run(told.signal);
  const stop = () => {
    told.abort(new Error('the test is over'));
    return ran;
  };
  scope.defer(stop);
  return { agent, ran, stop };
};
const request = (): JoinRequest => ({
  token: managers.ca.token('worker'),
  addresses: managers.addresses,
  advertiseAddr: null,
  dataPathAddr: null,
  availability: 'active',
  force: false,
});
const never = new AbortController().signal;

/** A host that has joined before. */
async function joined() {
  const credentials = managers.worker();
  await mkdir(stateDir);
  await new CertificateStore(stateDir).install(credentials);
  return credentials;
}

/** One that has left a task in this state behind: `web.1.t1`. */
async function joinedWithTask(state: TaskState): Promise<void> {
  const { nodeId } = await joined();
  const store = createTaskStore(stateDir);
  const runtime = { case: 'container' as const, value: { image: 'app', env: ['NODE={{.Node.Hostname}}'] } };
  const task = { id: 't1', nodeId, slot: 1n, serviceAnnotations: { name: 'web' }, spec: { runtime } };
  store.put(create(TaskRecordSchema, { task: { ...task, desiredState: TaskState.RUNNING }, status: { state } }));
  await store.flush();
}

it('prepares no task before it knows the host its templates may speak of', async () => {
  await joinedWithTask(TaskState.PREPARING);
  engine.answers['/version'] = 'silence';
  await running();
  await eventually(() => engine.requests.includes('/version'), 'the engine is asked');
  engine.answers['/version'] = { json: VERSION };
  await engine.stop(); // ends the question without an answer
  await engine.start();
  await eventually(() => engine.requests.includes('/containers/create'), 'the container is created');
  expect(engine.requests.indexOf('/containers/create')).toBeGreaterThan(engine.requests.indexOf('/info'));
  expect(engine.requests).toContain('/info');
});

it('removes what an agent that was killed has not finished writing', async () => {
  await joined();
  const unfinished = join(stateDir, 'tasks.pb.0123abcd.tmp');
  await writeFile(unfinished, 'half');
  const { agent } = await running();
  await eventually(() => agent.view().cluster.nodeId !== null, 'the identity is taken up');
  await expect(access(unfinished)).rejects.toThrow('ENOENT');
});

describe('an agent that ends', () => {
  it('leaves nothing behind that would keep the process alive, also when it could not go on', async () => {
    await joined();
    await mkdir(join(stateDir, 'tasks.pb')); // a directory cannot be read
    await expect(newAgent().run(never)).rejects.toMatchObject({ code: 'state-unreadable' });
    await expect(access(join(directory, 'run', 'netd.sock'))).rejects.toThrow('ENOENT');
    await expect(access(join(stateDir, 'agent.lock'))).rejects.toThrow('ENOENT');
    await eventually(() => engine.listening === 0, 'nobody listens to the engine');
  });

  it('lets go of tasks that want another try', async () => {
    await joinedWithTask(TaskState.RUNNING);
    const path = '/containers/web.1.t1/json';
    engine.answers[path] = { status: 500, text: '{"message":"not now"}' };
    const looks = () => engine.requests.filter((one) => one === path).length;

    const { stop } = await running();
    await eventually(() => looks() > 0, 'the container is looked at');
    await stop();
    const atEnd = looks();
    await systemClock.sleep(1500); // another try comes after a second
    expect(looks()).toBe(atEnd);
  });
});

describe('a join with addresses of another host', () => {
  it('is refused before anything is thrown away or asked', async () => {
    await joined();
    const { agent } = await running();
    await eventually(() => agent.view().cluster.nodeId !== null, 'the agent has its node');
    const wrong = { ...request(), force: true, advertiseAddr: '192.0.2.77' };
    await expect(agent.join(wrong, never)).rejects.toMatchObject({
      code: 'address-not-local',
      message: '--advertise-addr 192.0.2.77 is not an address of this host',
    });
    const unknown = { ...request(), force: true, dataPathAddr: 'eth77' };
    await expect(agent.join(unknown, never)).rejects.toMatchObject({ code: 'address-not-local' });
    expect(agent.view().cluster.nodeId).not.toBe(null);
  });
});

describe('joining and leaving', () => {
  it('are one at a time', async () => {
    engine.answers['/version'] = 'silence';
    const { agent } = await running();
    await eventually(() => engine.requests.includes('/version'), 'the agent asks the engine');
    const first = agent.join(request(), never);
    first.catch(() => {}); // ends with the test
    await expect(agent.join(request(), never)).rejects.toMatchObject({ code: 'join-in-progress' });
  });

  it('wait for an identity on disk to be taken up', async () => {
    await joined();
    const { agent } = await running();
    await expect(agent.join(request(), never)).rejects.toMatchObject({ code: 'agent-starting' });
    await eventually(() => agent.view().cluster.nodeId !== null, 'the identity is taken up');
    await expect(agent.join(request(), never)).rejects.toMatchObject({ code: 'already-joined' });
  });

  it('joining starts with no tasks, whatever an earlier life as another node has left', async () => {
    await joinedWithTask(TaskState.PREPARING);
    await rm(join(stateDir, 'certificates'), { recursive: true });
    const { agent } = await running();
    await eventually(() => engine.listening === 1, 'the engine is up');
    await agent.join(request(), never);
    await eventually(() => agent.view().cluster.state === 'ready', 'the node is ready');
    expect(agent.view().tasks).toEqual([]);
    expect(engine.requests).not.toContain('/containers/create');
  });

  it('a join that has come to nothing is told until the next one', async () => {
    const { agent } = await running();
    await eventually(() => engine.listening === 1, 'the engine is up');
    const wrong = { ...request(), token: managers.ca.token('manager') };
    await expect(agent.join(wrong, never)).rejects.toMatchObject({ code: 'manager-token' });
    const [problem] = agent.view().problems;
    expect(problem).toMatchObject({ code: 'join-failed', what: expect.stringContaining('netd is a worker only') });
    expect(problem?.mend).toMatch(/^Use the token of `docker swarm join-token worker`.* Then "netd join" again\.$/);
    await agent.join(request(), never);
    expect(agent.view().cluster.joinError).toBe(null);
  });

  it('leaving gives up a join under way', async () => {
    managers.caServices.faults = { pendingPolls: 1_000_000 };
    const { agent } = await running();
    await eventually(() => engine.listening === 1, 'the engine is up');
    const given = agent.join(request(), never).catch((error: unknown) => error);
    await eventually(() => agent.view().cluster.joining?.step === 'certificate', 'a certificate is asked for');
    await agent.leave({ force: false });
    expect(agent.view().cluster.state).toBe('not-joined');
    expect(await given).toMatchObject({ code: 'join-given-up' });
    expect(agent.view().problems.map(({ code }) => code)).toContain('not-joined');
    await expect(agent.leave({ force: false })).rejects.toMatchObject({ code: 'not-joined' });
  });
});
