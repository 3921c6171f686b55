import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Client, status as Code } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineError } from '#agent/engine/engine-error.ts';
import { type Clock, systemClock } from '#base/clock.ts';
import { type TaskRecord, TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { LogStream, type LogSubscriptionOptionsSchema } from '#proto/gen/swarmkit/logbroker_pb.js';
import { TaskState as S, type TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { SILENCE_LIMIT_MS } from './container-log.ts';
import type { FixtureEntry } from './engine-log.fixture.ts';
import { FakeBroker } from './fake-broker.fixture.ts';
import { createLogService, type LogService } from './log-service.ts';
import { THROTTLE_BURST_BYTES, THROTTLE_BYTES_PER_SEC } from './log-throttle.ts';
import { ScriptedEngine } from './scripted-engine.fixture.ts';

const SERVICE = 'service1';

let engine: ScriptedEngine;
let broker: FakeBroker;
let client: Client;
let records: Map<string, TaskRecord>;
let logs: LogService;
let stop: AbortController;
let served: Promise<unknown>;
let said: string[];
let clock: Clock;

beforeEach(async () => {
  engine = new ScriptedEngine();
  broker = await FakeBroker.listen();
  client = broker.connect();
  records = new Map();
  said = [];
  clock = systemClock;
  stop = new AbortController();
  logs = createLogService({
    engine,
    tasks: { all: () => [...records.values()], get: (id) => records.get(id) },
    containerName: (task) => `web.${task.id}`,
    nodeId: () => broker.nodeId,
    clock: { now: () => clock.now(), monotonicMs: () => clock.monotonicMs(), sleep: (ms, s) => clock.sleep(ms, s) },
    log: pino({ level: 'debug' }, { write: (line: string) => said.push(line) }),
  });
});

afterEach(async () => {
  stop.abort(new Error('the test is over'));
  await served;
  client.close();
  await broker[Symbol.asyncDispose]();
  expect(broker.breaches).toEqual([]);
});

const until = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 5 });

async function serve(): Promise<void> {
  served = logs.serve(client, stop.signal).catch((error: unknown) => error);
  await until(() => expect(broker.listening).toBe(1));
}

function setTask(id: string, state: TaskState, serviceId = SERVICE): void {
  const record = create(TaskRecordSchema, { task: { id, serviceId }, status: { state } });
  records.set(id, record);
  logs.taskChanged(id, record);
}

function removeTask(id: string): void {
  records.delete(id);
  logs.taskChanged(id, undefined);
}

function subscribe(id: string, options: MessageInitShape<typeof LogSubscriptionOptionsSchema> = {}): void {
  broker.subscribe({ id, selector: { serviceIds: [SERVICE] }, options });
}

const closed = (id: string) => until(() => expect(broker.of(id).map(({ end }) => end)).toEqual(['closed']));
const shows = (id: string, lines: readonly string[]) => until(() => expect(broker.lines(id)).toEqual(lines));

let nanos = 0;
const line = (data: string, source: FixtureEntry['source'] = 'stdout', details = {}): FixtureEntry => ({
  source,
  time: { seconds: 1_700_000_000n, nanos: nanos++ },
  details,
  data,
});

describe('without follow', () => {
  it('sends what there is, with all that belongs to it, then close', async () => {
    const written = [line('one\n', 'stdout', { role: 'a b', x: 'ü,=' }), line('two\n', 'stderr'), line('three')];
    engine.add('web.task1', written);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub');
    await closed('sub');
    const context = expect.objectContaining({ nodeId: 'node1', serviceId: SERVICE, taskId: 'task1' });
    const expected = written.map(({ data, source, time, details }) => ({
      context,
      data: Uint8Array.from(Buffer.from(data)),
      timestamp: expect.objectContaining(time),
      stream: source === 'stderr' ? LogStream.STDERR : LogStream.STDOUT,
      attrs: Object.entries(details ?? {}).map(([key, value]) => expect.objectContaining({ key, value })),
    }));
    const got = broker.messages('sub').map((m) => ({ ...m, data: Uint8Array.from(m.data) }));
    expect(got).toEqual(expected.map((message) => expect.objectContaining(message)));
    expect(said.join('')).not.toContain('failed'); // that there is no response message is no failure
  });

  it('answers when no task matches', async () => {
    engine.add('other', [line('secret\n')]);
    setTask('task1', S.RUNNING, 'another service');
    await serve();
    subscribe('sub');
    await closed('sub');
    expect(broker.lines('sub')).toEqual([]);
    expect(engine.asked).toEqual([]);
  });

  it('reads exited containers, and does not wait for those not started or removed', async () => {
    engine.add('web.old', [line('last words\n')], { status: 'exited' });
    engine.add('web.next', [], { status: 'created' });
    setTask('old', S.FAILED);
    setTask('next', S.READY);
    setTask('removed', S.SHUTDOWN);
    setTask('assigned', S.ASSIGNED);
    await serve();
    subscribe('sub');
    await closed('sub');
    expect(broker.lines('sub')).toEqual(['last words\n']);
  });

  it('reads many tasks, each in order', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `t${i}`);
    for (const name of names) {
      engine.add(`web.${name}`, [line(`${name} 1\n`), line(`${name} 2\n`)]);
      setTask(name, S.RUNNING);
    }
    await serve();
    subscribe('sub');
    await closed('sub');
    for (const name of names) {
      const own = broker.messages('sub').filter(({ context }) => context?.taskId === name);
      expect(own.map(({ data }) => Buffer.from(data).toString())).toEqual([`${name} 1\n`, `${name} 2\n`]);
    }
    expect(broker.lines('sub')).toHaveLength(60);
  });

  it('reads a terminal', async () => {
    engine.add('web.task1', [line('$ ls\r\n'), line('a b\r\n'), line('$ ')], { tty: true });
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub');
    await closed('sub');
    expect(broker.messages('sub').every(({ stream }) => stream === LogStream.STDOUT)).toBe(true);
    expect(broker.lines('sub')).toEqual(['$ ls\r\n', 'a b\r\n', '$ ']);
  });

  it('keeps to tail, since and streams', async () => {
    const written = ['a', 'b', 'c', 'd'].map((name, i) => line(`${name}\n`, i % 2 ? 'stderr' : 'stdout'));
    engine.add('web.task1', written);
    setTask('task1', S.RUNNING);
    await serve();
    const cases: [string, MessageInitShape<typeof LogSubscriptionOptionsSchema>, string[]][] = [
      ['all', { tail: 0n }, ['a\n', 'b\n', 'c\n', 'd\n']],
      ['none', { tail: -1n }, []],
      ['two', { tail: -3n }, ['c\n', 'd\n']],
      ['stderr', { streams: [LogStream.STDERR] }, ['b\n', 'd\n']],
      ['since', { since: written[2]?.time ?? {} }, ['c\n', 'd\n']],
      ['from the start', { tail: 2n }, []],
      ['unknown streams', { streams: [LogStream.UNKNOWN] }, []],
    ];
    for (const [id, options, lines] of cases) {
      subscribe(id, options);
      await closed(id);
      expect([id, broker.lines(id)]).toEqual([id, lines]);
    }
  });

  it('closes when a log cannot be read, and sends the others', async () => {
    const refusal = new EngineError('container logs', 501, 'configured logging driver does not support reading');
    engine.add('web.none', [line('lost\n')], { refusal });
    engine.add('web.fine', [line('fine\n')]);
    setTask('none', S.RUNNING);
    setTask('fine', S.RUNNING);
    await serve();
    subscribe('sub');
    await closed('sub');
    expect(broker.lines('sub')).toEqual(['fine\n']);
    expect(said.join('')).toContain('configured logging driver does not support reading');
  });

  it('closes when the engine is away, and when it goes while we read', async () => {
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    engine.goAway();
    subscribe('away');
    await closed('away');
    engine.comeBack();
    subscribe('back');
    await closed('back');
    expect(broker.lines('back')).toEqual(['x\n']);
  });

  it('closes when the log is corrupt, having sent what was whole', async () => {
    engine.add('web.task1', [line('whole\n'), { ...line(''), data: Buffer.alloc(3 * 1024 * 1024) }]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub');
    await closed('sub');
    expect(broker.lines('sub')).toEqual(['whole\n']);
    expect(said.join('')).toMatch(/a frame of \d+ bytes/);
  });

  it.each(['inspect', 'logs', 'the rest of a log'] as const)('closes when the engine is stuck at %s', async (call) => {
    clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms === SILENCE_LIMIT_MS ? 20 : ms, signal) };
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    engine.stuck = call;
    await serve();
    subscribe('sub');
    await closed('sub');
    expect(said.join('')).toContain('the engine has said nothing for 60 s');
  });

  it('answers one delivered twice only once, even when it is finished', async () => {
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub');
    subscribe('sub');
    await closed('sub');
    subscribe('sub');
    subscribe('after');
    await closed('after');
    expect(broker.lines('sub')).toEqual(['x\n']);
  });

  it('lives on when the manager does not know the subscription any more', async () => {
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('gone');
    broker.forget('gone');
    subscribe('sub');
    await closed('sub');
    expect(broker.of('gone')).toEqual([]);
  });
});

describe('with follow', () => {
  it('sends what comes, from every task as it starts, and ends at the close message', async () => {
    engine.add('web.task1', [line('one\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub', { follow: true });
    await shows('sub', ['one\n']);
    engine.write('web.task1', line('two\n', 'stderr'));
    await shows('sub', ['one\n', 'two\n']);

    setTask('task2', S.ASSIGNED);
    setTask('task2', S.READY);
    engine.add('web.task2', [], { status: 'created' });
    setTask('task2', S.STARTING);
    engine.start('web.task2');
    engine.write('web.task2', line('three\n'));
    setTask('task2', S.RUNNING);
    await shows('sub', ['one\n', 'two\n', 'three\n']);
    expect(broker.of('sub').map(({ end }) => end)).toEqual([undefined]);

    broker.close('sub');
    await until(() => expect(broker.of('sub').map(({ end }) => end)).toEqual(['cut']));
    await until(() => expect(engine.open).toBe(0));
  });

  it('finds a container that starts while its task only says STARTING: its health check decides later', async () => {
    engine.add('web.task1', [], { status: 'created' });
    setTask('task1', S.STARTING);
    await serve();
    subscribe('sub', { follow: true });
    await until(() => expect(broker.listening).toBe(1));
    engine.start('web.task1');
    engine.write('web.task1', line('warming up\n'));
    await shows('sub', ['warming up\n']);
  });

  it('shows all of a container started later, also to one who wants no old lines', async () => {
    engine.add('web.old', [line('old\n')]);
    setTask('old', S.RUNNING);
    await serve();
    subscribe('sub', { follow: true, tail: -1n });
    await until(() => expect(engine.open).toBe(1));
    setTask('new', S.ASSIGNED);
    engine.add('web.new', [], { status: 'created' });
    setTask('new', S.STARTING);
    engine.start('web.new');
    engine.write('web.new', line('first\n'), line('second\n'));
    setTask('new', S.RUNNING);
    await shows('sub', ['first\n', 'second\n']);
  });

  it('goes on after the engine was away, losing and repeating nothing', async () => {
    engine.add('web.task1', [line('one\n'), line('two\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub', { follow: true, tail: -2n });
    await shows('sub', ['two\n']);
    engine.goAway();
    engine.write('web.task1', line('meanwhile\n'));
    engine.comeBack();
    await shows('sub', ['two\n', 'meanwhile\n']);
    engine.write('web.task1', line('after\n'));
    await shows('sub', ['two\n', 'meanwhile\n', 'after\n']);
  });

  it('reads a container that ends to its end, once, and stays', async () => {
    engine.add('web.task1', [line('one\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub', { follow: true });
    await shows('sub', ['one\n']);
    engine.write('web.task1', line('bye\n'));
    engine.exit('web.task1');
    setTask('task1', S.COMPLETE);
    await shows('sub', ['one\n', 'bye\n']);
    setTask('task1', S.COMPLETE);
    removeTask('task1');
    engine.remove('web.task1');
    subscribe('other');
    await closed('other');
    expect(broker.of('sub').map(({ end }) => end)).toEqual([undefined]);
    expect(broker.lines('sub')).toEqual(['one\n', 'bye\n']);
    expect(engine.open).toBe(0);
  });

  it('wakes for every change of a task that waits', async () => {
    setTask('task1', S.ASSIGNED);
    await serve();
    subscribe('sub', { follow: true });
    await until(() => expect(engine.inspected).toBe(1));
    setTask('task1', S.PREPARING);
    await until(() => expect(engine.inspected).toBe(2));
    engine.add('web.task1', [], { status: 'created' });
    setTask('task1', S.READY);
    await until(() => expect(engine.inspected).toBe(3));
    engine.start('web.task1');
    engine.write('web.task1', line('x\n'));
    setTask('task1', S.STARTING);
    await shows('sub', ['x\n']);
  });

  it.each(['at once', 'later'])('takes a task that is given back %s for a new one', async (when) => {
    await serve();
    subscribe('sub', { follow: true });
    await until(() => expect(said.join('')).toContain('log subscription'));
    setTask('task1', S.ASSIGNED);
    await until(() => expect(engine.inspected).toBe(1));
    removeTask('task1');
    if (when === 'later') await new Promise((resolve) => setImmediate(resolve));
    setTask('task1', S.ASSIGNED);
    await until(() => expect(engine.inspected).toBe(2));
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    await shows('sub', ['x\n']);
    expect(engine.open).toBe(1);
    engine.write('web.task1', line('y\n'));
    await shows('sub', ['x\n', 'y\n']);
    expect(engine.asked).toHaveLength(1);
  });

  it('stays open when a log cannot be read', async () => {
    const refusal = new EngineError('container logs', 500, 'configured logging driver does not support reading');
    engine.add('web.none', [], { refusal });
    setTask('none', S.RUNNING);
    await serve();
    subscribe('sub', { follow: true });
    await until(() => expect(said.join('')).toContain('does not support reading'));
    engine.add('web.fine', [line('fine\n')]);
    setTask('fine', S.RUNNING);
    await shows('sub', ['fine\n']);
    expect(engine.asked.filter(({ id }) => id === 'web.none')).toHaveLength(1);
  });

  it('stops reading when the manager refuses the call', async () => {
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub', { follow: true });
    broker.forget('sub');
    await until(() => {
      engine.write('web.task1', line('y\n')); // the refusal is found out with the next line sent
      expect(said.join('')).toContain('unknown subscription ID');
    });
    await until(() => expect(engine.open).toBe(0));
  });
});

describe('a slow manager', () => {
  it('keeps what is in memory small, and gets everything in the end', async () => {
    const written = Array.from({ length: 2000 }, () => line(`${'x'.repeat(5000)}\n`)); // 10 MB
    engine.add('web.task1', written);
    setTask('task1', S.RUNNING);
    await serve();
    const go = broker.stall();
    subscribe('sub');
    let taken = 0;
    let looksWithoutChange = 0;
    await until(() => {
      looksWithoutChange = engine.sentBytes === taken ? looksWithoutChange + 1 : 0;
      taken = engine.sentBytes;
      expect(taken).toBeGreaterThan(0);
      expect(looksWithoutChange).toBeGreaterThan(20);
    });
    expect(taken).toBeLessThan(3 * 1024 * 1024);
    go();
    await closed('sub');
    expect(broker.lines('sub')).toHaveLength(written.length);
  });

  it('does not keep a close message from being obeyed', async () => {
    engine.add(
      'web.task1',
      Array.from({ length: 2000 }, () => line(`${'x'.repeat(10_000)}\n`)),
    );
    setTask('task1', S.RUNNING);
    await serve();
    const go = broker.stall();
    subscribe('sub', { follow: true });
    await until(() => expect(engine.open).toBe(1));
    broker.close('sub');
    await until(() => expect(engine.open).toBe(0));
    go();
  });
});

it('lets one task send 10 MB at once and then 10 MB a second', async () => {
  let nowMs = 0;
  const sleep: Clock['sleep'] = async (ms, signal) => {
    if (ms === SILENCE_LIMIT_MS) return systemClock.sleep(ms, signal);
    nowMs += ms;
  };
  clock = { now: () => 0, monotonicMs: () => nowMs, sleep };
  engine.add(
    'web.task1',
    Array.from({ length: 2000 }, () => line(`${'x'.repeat(8000)}\n`)),
  );
  setTask('task1', S.RUNNING);
  await serve();
  subscribe('sub');
  await closed('sub');
  expect(nowMs).toBeCloseTo(((2000 * 8001 - THROTTLE_BURST_BYTES) / THROTTLE_BYTES_PER_SEC) * 1000, 3);
});

describe('a session', () => {
  it('starts with no subscription known: the same one is answered again', async () => {
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub', { follow: true });
    await shows('sub', ['x\n']);
    stop.abort(new Error('the session is lost'));
    expect(await served).toBeUndefined();
    expect(engine.open).toBe(0);
    stop = new AbortController();
    await until(() => expect(broker.listening).toBe(0));
    await serve();
    subscribe('sub', { follow: true });
    await shows('sub', ['x\n', 'x\n']);
    expect(broker.of('sub').map(({ end }) => end)).toEqual(['cut', undefined]);
  });

  it('ends with the stream of subscriptions', async () => {
    await serve();
    broker.stop(Code.UNKNOWN, 'broker is not running');
    expect(await served).toMatchObject({ code: Code.UNKNOWN, details: 'broker is not running' });
  });

  it('ends when the manager ends that stream in order', async () => {
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    subscribe('sub', { follow: true });
    await shows('sub', ['x\n']);
    broker.endListening();
    expect(await served).toMatchObject({ message: expect.stringContaining('has ended the stream') });
    expect(engine.open).toBe(0);
  });

  it('with a manager that has no log broker lasts until it is told to stop', async () => {
    await using old = await FakeBroker.listen({ logBroker: false });
    const toOld = old.connect();
    served = logs.serve(toOld, stop.signal);
    await until(() => expect(said.join('')).toContain('no log broker'));
    stop.abort(new Error('over'));
    expect(await served).toBeUndefined();
    toOld.close();
  });

  it('serves subscriptions beside each other, and answers one too many', async () => {
    engine.add('web.task1', [line('x\n')]);
    setTask('task1', S.RUNNING);
    await serve();
    for (let i = 0; i < 256; i++) subscribe(`sub${i}`, { follow: true });
    await until(() => expect(engine.open).toBe(256));
    subscribe('too many', { follow: true });
    await closed('too many');
    engine.write('web.task1', line('y\n'));
    for (let i = 0; i < 256; i++) await shows(`sub${i}`, ['x\n', 'y\n']);
  });
});
