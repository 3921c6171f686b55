import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '#base/log.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { TaskState as S, type Task, TaskSchema, type TaskStatus } from '#proto/gen/swarmkit/types_pb.js';
import { eventually } from '#test/fake-manager/eventually.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { type Behaviour, EngineOfValues } from './engine-of-values.fixture.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { createTasks, type Tasks } from './tasks.ts';

let engine: EngineOfValues;
let outbox: Outbox;
/** Everything said of a task, in order. */
let told: Map<string, TaskStatus[]>;
let stored: Map<string, TaskRecord>;
let inputsReady: boolean;
let clock: VirtualClock;
let tasks: Tasks;

const newTasks = (): Tasks => {
  const made = createTasks({
    operations: engine.operations(),
    store: {
      load: async () => [...stored.values()],
      put: (record) => stored.set(record.task?.id ?? '', record),
      remove: (id) => stored.delete(id),
      flush: async () => {},
      wipe: async () => stored.clear(),
      problem: () => undefined,
    },
    outbox,
    inputsReady: () => inputsReady,
    clock,
    log: silentLogger,
  });
  engine.onEvent = made.mark;
  return made;
};

beforeEach(() => {
  engine = new EngineOfValues();
  clock = new VirtualClock();
  stored = new Map();
  told = new Map();
  inputsReady = true;
  const inner = createOutbox();
  outbox = {
    ...inner,
    put: (id, status) => {
      told.set(id, [...(told.get(id) ?? []), status]);
      inner.put(id, status);
    },
  };
  tasks = newTasks();
});
afterEach(async () => {
  vi.useRealTimers();
  engine.reachable = true;
  await tasks.close();
});

const taskOf = (id: string, init: Omit<MessageInitShape<typeof TaskSchema>, '$typeName'> = {}): Task =>
  create(TaskSchema, { id, desiredState: S.RUNNING, status: { state: S.ASSIGNED }, ...init });
const assign = (...update: Task[]) => tasks.assign({ complete: false, update, remove: [] });
const want = (id: string, desiredState: S) => assign(taskOf(id, { desiredState }));
const statesOf = (id: string) => (told.get(id) ?? []).map(({ state }) => S[state]);
const lastOf = (id: string) => told.get(id)?.at(-1);
const stateOf = (id: string) => tasks.get(id)?.status?.state;
const comesTo = (id: string, state: S) => eventually(() => stateOf(id) === state, `${id} comes to ${S[state]}`);
const start = async (behaviour: Behaviour = {}, id = 't') => {
  engine.behaviours.set(id, behaviour);
  assign(taskOf(id));
  await tasks.idle();
};
const LIFE = ['ACCEPTED', 'PREPARING', 'READY', 'STARTING', 'RUNNING'];

describe('a task', () => {
  it('waits for an engine that has not told yet what the task depends on', async () => {
    engine.known = false;
    await start();
    expect(told.get('t')).toBeUndefined();
    engine.known = true;
    tasks.markAll();
    await tasks.idle();
    expect(statesOf('t')).toEqual(LIFE);
  });

  it('is brought to run, and says each step', async () => {
    await start();
    expect(statesOf('t')).toEqual(LIFE);
    expect(told.get('t')?.map(({ message }) => message)).toEqual([
      'accepted',
      'preparing',
      'prepared',
      'starting',
      'started',
    ]);
    expect(lastOf('t')?.runtimeStatus.value).toMatchObject({ containerId: 'c1', pid: 7 });
    expect(stored.get('t')?.status?.state).toBe(S.RUNNING);
    expect(stored.get('t')?.task?.status).toBeUndefined();
  });

  it.each([
    [0, 'COMPLETE', '', 'finished'],
    [3, 'FAILED', 'task: non-zero exit (3)', 'started'],
  ])('that exits with %d is %s', async (exitCode, state, err, message) => {
    await start();
    engine.exit('t', exitCode);
    await tasks.idle();
    expect(statesOf('t')).toEqual([...LIFE, state]);
    expect(lastOf('t')).toMatchObject({ err, message });
    expect(lastOf('t')?.runtimeStatus.value).toMatchObject({ containerId: 'c1', pid: 0, exitCode });
    await tasks.idle();
    expect(engine.removals).toEqual([]);
  });

  it.each<[string, Behaviour, string[], Partial<TaskStatus>]>([
    [
      'cannot be understood',
      { unresolvable: 'invalid mount target' },
      ['REJECTED'],
      { message: 'resolving controller failed', err: 'invalid mount target' },
    ],
    [
      'cannot be prepared',
      { prepareFails: 'No such image: nowhere' },
      ['ACCEPTED', 'PREPARING', 'REJECTED'],
      { message: 'preparing', err: 'No such image: nowhere' },
    ],
    [
      'cannot be started',
      { startFails: 'exec: "no": executable file not found in $PATH' },
      ['ACCEPTED', 'PREPARING', 'READY', 'STARTING', 'FAILED'],
      { message: 'starting', err: 'starting container failed: exec: "no": executable file not found in $PATH' },
    ],
  ])('that %s says why', async (_, behaviour, states, status) => {
    await start(behaviour);
    expect(statesOf('t')).toEqual(states);
    expect(lastOf('t')).toMatchObject(status);
    if (behaviour.startFails) expect(lastOf('t')?.runtimeStatus.value).toMatchObject({ exitCode: 127 });
  });

  it('with a health check is not RUNNING before it is healthy', async () => {
    await start({ health: 'starting' });
    expect(statesOf('t').at(-1)).toBe('STARTING');
    engine.setHealth('t', 'healthy');
    await tasks.idle();
    expect(statesOf('t')).toEqual(LIFE);
  });

  it.each([
    [137, 'FAILED', 'task: non-zero exit (137): dockerexec: unhealthy container'],
    [0, 'COMPLETE', ''],
  ])('that is unhealthy is stopped; with exit code %d it is %s', async (stopCode, state, err) => {
    await start({ health: 'starting', stopCode });
    engine.setHealth('t', 'healthy');
    await tasks.idle();
    engine.setHealth('t', 'unhealthy');
    await tasks.idle();
    expect(statesOf('t')).toEqual([...LIFE, state]);
    expect(lastOf('t')?.err).toBe(err);
  });

  describe('whose container the engine does not answer for', () => {
    const STUCK = 'the Docker engine at unix:///values takes calls, but has not answered for 60 s';
    beforeEach(() => {
      engine.behaviours.set('t', { health: 'starting' });
      engine.stuck.add('t');
    });
    const again = async () => {
      tasks.mark('t');
      await tasks.idle();
    };

    it('says what it waits for, once, and goes on when the engine does', async () => {
      await start();
      for (let i = 0; i < 3; i++) await again();
      expect(statesOf('t')).toEqual(['ACCEPTED', 'PREPARING', 'PREPARING']);
      expect(lastOf('t')).toMatchObject({ message: 'preparing', err: STUCK });
      engine.stuck.clear();
      await again();
      expect(statesOf('t').slice(2)).toEqual(['PREPARING', 'READY', 'STARTING', 'RUNNING']);
      expect(lastOf('t')?.err).toBe('');
    });

    it('holds no other task up', async () => {
      assign(taskOf('t'), taskOf('u'));
      await comesTo('u', S.RUNNING);
    });

    it.each([
      ['before it was made', S.PREPARING, S.REJECTED],
      ['while it starts', S.STARTING, S.FAILED],
    ])('is given up after ten minutes %s, so that the manager starts another', async (_, state, end) => {
      engine.stuck.clear();
      if (state === S.STARTING) await start({ health: 'starting' });
      engine.stuck.add('t');
      await start({ health: 'starting' });
      await again();
      expect(stateOf('t')).toBe(state);
      await clock.advance(10 * 60_000 - 1);
      await again();
      expect(stateOf('t')).toBe(state);
      await clock.advance(1);
      await again();
      expect(lastOf('t')).toMatchObject({ state: end, err: STUCK });
    });

    it('counts the ten minutes anew after a pass that came to its end', async () => {
      engine.stuck.clear();
      await start({ health: 'starting' });
      for (let i = 0; i < 3; i++) {
        engine.stuck.add('t');
        await again();
        await clock.advance(9 * 60_000);
        engine.stuck.clear();
        await again();
      }
      engine.stuck.add('t');
      await again();
      expect(stateOf('t')).toBe(S.STARTING);
    });

    it('stays what it is while it runs or is to stop, however long that takes', async () => {
      engine.stuck.clear();
      await start();
      engine.stuck.add('t');
      want('t', S.SHUTDOWN);
      await tasks.idle();
      await clock.advance(3_600_000);
      await again();
      expect(lastOf('t')).toMatchObject({ state: S.RUNNING, err: STUCK });
      engine.stuck.clear();
      await again();
      expect(lastOf('t')).toMatchObject({ state: S.SHUTDOWN, err: '' });
    });

    it('says nothing of its own once it is over', async () => {
      engine.stuck.clear();
      await start();
      engine.exit('t', 3);
      await tasks.idle();
      const told = lastOf('t');
      engine.stuck.add('t');
      want('t', S.SHUTDOWN);
      await tasks.idle();
      expect(lastOf('t')).toBe(told);
    });

    it('runs again without a word when the engine has answered', async () => {
      engine.stuck.clear();
      await start();
      engine.stuck.add('t');
      await again();
      expect(lastOf('t')).toMatchObject({ state: S.RUNNING, err: STUCK });
      engine.stuck.clear();
      await again();
      expect(lastOf('t')).toMatchObject({ state: S.RUNNING, message: 'started', err: '' });
    });
  });

  it('that was stopped for its health says so also when netd was restarted in between', async () => {
    await start({ health: 'healthy', stopCode: 137 });
    engine.turn = () => new Promise(() => {}); // the stop is asked for, and no more
    engine.setHealth('t', 'unhealthy');
    engine.turn = async () => {};
    const record = stored.get('t');
    expect(record).toBeDefined();
    stored.set('t', { ...record, unhealthy: true } as TaskRecord);
    engine.crash();
    engine.exit('t', 137);
    tasks = newTasks();
    tasks.restore([...stored.values()]);
    await tasks.idle();
    expect(lastOf('t')?.err).toBe('task: non-zero exit (137): dockerexec: unhealthy container');
  });

  it('whose container is gone has failed', async () => {
    await start();
    engine.vanish('t');
    await tasks.idle();
    expect(lastOf('t')).toMatchObject({ state: S.FAILED, err: 'No such container: name.t' });
    expect(lastOf('t')?.runtimeStatus.value).toMatchObject({ containerId: 'c1' });
  });

  it('waits in READY until it may run', async () => {
    assign(taskOf('t', { desiredState: S.READY }));
    await tasks.idle();
    expect(statesOf('t')).toEqual(['ACCEPTED', 'PREPARING', 'READY']);
    want('t', S.RUNNING);
    await tasks.idle();
    expect(statesOf('t')).toEqual(LIFE);
  });

  it('of a job runs to its end', async () => {
    assign(taskOf('t', { desiredState: S.COMPLETE }));
    await tasks.idle();
    expect(statesOf('t')).toEqual(LIFE);
    engine.exit('t', 0);
    await tasks.idle();
    expect(statesOf('t').at(-1)).toBe('COMPLETE');
  });

  it.each([S.READY, S.RUNNING])(
    'names its container from STARTING upward, first wanted in state %d',
    async (desired) => {
      engine.behaviours.set('t', { health: 'starting' });
      want('t', desired);
      await tasks.idle();
      want('t', S.RUNNING);
      await tasks.idle();
      expect(lastOf('t')).toMatchObject({ state: S.STARTING, runtimeStatus: { value: { containerId: 'c1', pid: 0 } } });
    },
  );

  it('goes on over a wall clock that is set back, and gives the times of that clock', async () => {
    await start();
    const startedMs = clock.now();
    clock.epochMs -= 86_400_000;
    engine.exit('t', 0);
    await tasks.idle();
    expect(statesOf('t')).toEqual([...LIFE, 'COMPLETE']);
    const times = (told.get('t') ?? []).map(({ timestamp }) => timestamp && timestampMs(timestamp));
    expect(times.slice(-2)).toEqual([startedMs, startedMs - 86_400_000]);
    expect(outbox.pending(1)[0]?.status.state).toBe(S.COMPLETE);
  });

  it.each([S.SHUTDOWN, S.REMOVE])('is stopped on request, its container kept', async (desired) => {
    await start({ stopCode: 143 });
    want('t', desired);
    await tasks.idle();
    expect(lastOf('t')).toMatchObject({ state: S.SHUTDOWN, err: '', message: 'shutdown' });
    expect(lastOf('t')?.runtimeStatus.value).toMatchObject({ exitCode: 143 });
    expect(engine.containers.has('t')).toBe(true);
  });

  it('is never wanted less than before', async () => {
    await start();
    want('t', S.SHUTDOWN);
    want('t', S.RUNNING);
    await tasks.idle();
    expect(stateOf('t')).toBe(S.SHUTDOWN);
    expect(engine.starts.get('t')).toBe(1);
  });

  it('is stopped also when it was given up before: the start failed, and yet it runs', async () => {
    await start();
    const running = stored.get('t');
    assign(taskOf('u', { desiredState: S.RUNNING, status: { ...running?.status, state: S.FAILED } as TaskStatus }));
    await tasks.idle();
    engine.containers.set('u', { id: 'c9', state: 'running', exitCode: 0, error: '', health: 'none' });
    want('u', S.SHUTDOWN);
    await tasks.idle();
    expect(engine.containers.get('u')?.state).toBe('exited');
    expect(statesOf('u')).toEqual([]);
  });

  it('waits for its secrets after a restart, but is stopped without them', async () => {
    inputsReady = false;
    assign(taskOf('t'), taskOf('u'));
    await tasks.idle();
    expect([stateOf('t'), engine.starts.get('t')]).toEqual([S.STARTING, undefined]);
    want('u', S.SHUTDOWN);
    await tasks.idle();
    expect(stateOf('u')).toBe(S.SHUTDOWN);
    inputsReady = true;
    assign(taskOf('t'));
    await tasks.idle();
    expect(stateOf('t')).toBe(S.RUNNING);
  });
});

describe('a task whose manager changes its mind', () => {
  it('leaves a slow pull at once when it is to shut down', async () => {
    engine.pull = () => new Promise(() => {});
    assign(taskOf('t'));
    await comesTo('t', S.PREPARING);
    want('t', S.SHUTDOWN);
    await tasks.idle();
    expect(statesOf('t')).toEqual(['ACCEPTED', 'PREPARING', 'SHUTDOWN']);
    expect(engine.containers.size).toBe(0);
  });

  it('is neither prepared nor started when that was overtaken during the look at the engine', async () => {
    let pulls = 0;
    engine.pull = async () => {
      pulls++;
    };
    let turns = 0;
    engine.turn = async () => {
      if (turns++ === 0) want('t', S.SHUTDOWN); // while its container is being looked at
    };
    assign(taskOf('t'));
    await tasks.idle();
    expect([stateOf('t'), pulls]).toEqual([S.SHUTDOWN, 0]);

    engine.turn = async () => {};
    assign(taskOf('u', { desiredState: S.READY }));
    await tasks.idle();
    engine.turn = async () => {
      if (stateOf('u') === S.READY) want('u', S.SHUTDOWN);
    };
    want('u', S.RUNNING);
    await tasks.idle();
    expect([stateOf('u'), engine.starts.get('u')]).toEqual([S.SHUTDOWN, undefined]);
  });

  it('is removed without a word', async () => {
    await start();
    const before = statesOf('t');
    tasks.assign({ complete: false, update: [], remove: ['t', 'unknown'] });
    await tasks.idle();
    expect([statesOf('t'), engine.removals, tasks.get('t'), stored.size, outbox.size()]).toEqual([
      before,
      ['t'],
      undefined,
      0,
      0,
    ]);
  });

  it('is removed when a complete list has it no more, from a slow pull as well', async () => {
    await start({}, 'kept');
    engine.pull = () => new Promise(() => {});
    assign(taskOf('t'));
    await comesTo('t', S.PREPARING);
    tasks.assign({ complete: true, update: [taskOf('kept')], remove: [] });
    await tasks.idle();
    expect(tasks.all().map(({ task }) => task?.id)).toEqual(['kept']);
    expect(engine.starts).toEqual(new Map([['kept', 1]]));
  });

  it('is known again when it is given back during its removal', async () => {
    await start();
    let given = false;
    engine.turn = async () => {
      if (!given) assign(taskOf('t'));
      given = true;
    };
    tasks.assign({ complete: false, update: [], remove: ['t'] });
    await tasks.idle();
    expect(lastOf('t')).toMatchObject({ state: S.FAILED, err: 'No such container: name.t' });
    expect(engine.starts.get('t')).toBe(1);
  });
});

describe('tasks and an engine that goes away', () => {
  it('try again every second, and say nothing meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    engine.reachable = false;
    assign(taskOf('t'));
    await tasks.idle();
    expect(statesOf('t')).toEqual(['ACCEPTED', 'PREPARING']);
    let looks = 0;
    engine.turn = async () => {
      looks++;
    };
    for (let seconds = 0; seconds < 3; seconds++) {
      vi.advanceTimersByTime(1000);
      await tasks.idle();
    }
    expect(looks).toBe(3);
    engine.reachable = true;
    vi.advanceTimersByTime(1000);
    await tasks.idle();
    expect(statesOf('t')).toEqual(LIFE);
  });

  it('start a task once, also when the engine went away with the answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    engine.turn = async () => {
      if (engine.starts.get('t') === 1) engine.reachable = false;
    };
    assign(taskOf('t'));
    await tasks.idle();
    expect([stateOf('t'), engine.starts.get('t')]).toEqual([S.STARTING, 1]);
    engine.turn = async () => {};
    engine.reachable = true;
    vi.advanceTimersByTime(1000);
    await tasks.idle();
    expect([stateOf('t'), engine.starts.get('t')]).toEqual([S.RUNNING, 1]);
  });

  it('remove what is to go once the engine is back', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    await start();
    engine.reachable = false;
    tasks.assign({ complete: false, update: [], remove: ['t'] });
    await tasks.idle();
    expect(tasks.get('t')).toBeDefined();
    engine.reachable = true;
    vi.advanceTimersByTime(1000);
    await tasks.idle();
    expect([tasks.get('t'), engine.removals]).toEqual([undefined, ['t']]);
  });
});

describe('tasks over restarts of netd', () => {
  const restart = async () => {
    engine.crash();
    tasks = newTasks();
    tasks.restore([...stored.values()]);
    await tasks.idle();
  };

  it('take up a running container without touching it, and say its status when asked', async () => {
    await start();
    told.clear();
    await restart();
    expect([engine.starts.get('t'), statesOf('t')]).toEqual([1, []]);
    tasks.reportAll();
    expect(statesOf('t')).toEqual(['RUNNING']);
  });

  it('notice what happened meanwhile', async () => {
    await start();
    await start({}, 'u');
    engine.crash();
    engine.exit('t', 5);
    engine.vanish('u');
    await restart();
    expect(lastOf('t')).toMatchObject({ state: S.FAILED, err: 'task: non-zero exit (5)' });
    expect(lastOf('u')).toMatchObject({ state: S.FAILED, err: 'No such container: name.u' });
  });

  it('do not try a start again of which only the engine remembers that it failed', async () => {
    await start({ startFails: 'no such command' });
    const record = stored.get('t');
    if (!record?.status) throw new Error('no record');
    stored.set('t', { ...record, status: { ...record.status, state: S.PREPARING, err: '' } });
    told.clear();
    await restart();
    expect(statesOf('t')).toEqual(['READY', 'STARTING', 'FAILED']);
    expect(lastOf('t')?.err).toBe('starting container failed: no such command');
    expect(engine.starts.get('t')).toBe(1);
  });

  it('keep their own word over the copy of the manager', async () => {
    await start();
    assign(taskOf('t', { status: { state: S.STARTING } as TaskStatus }));
    await tasks.idle();
    expect(stateOf('t')).toBe(S.RUNNING);
  });

  it('close at once, also in the middle of a slow pull', async () => {
    engine.pull = () => new Promise(() => {});
    assign(taskOf('t'));
    await comesTo('t', S.PREPARING);
    await tasks.close();
    expect(stateOf('t')).toBe(S.PREPARING);
  });
});
