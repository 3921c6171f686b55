import { status as Code } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { EngineError } from '#agent/engine/engine-error.ts';
import { type Clock, systemClock } from '#base/clock.ts';
import { LogStream } from '#proto/gen/swarmkit/logbroker_pb.js';
import { TaskState as S } from '#proto/gen/swarmkit/types_pb.js';
import { SILENCE_LIMIT_MS } from './container-log.ts';
import { FakeBroker } from './fake-broker.fixture.ts';
import { line, SERVICE, type SubscriptionOptions, until, useLogBench } from './log-bench.fixture.ts';
import { THROTTLE_BURST_BYTES, THROTTLE_BYTES_PER_SEC } from './log-throttle.ts';

const currentBench = useLogBench();

describe('without follow', () => {
  it('sends what there is, with all that belongs to it, then close', async () => {
    const bench = currentBench();
    const written = [line('one\n', 'stdout', { role: 'a b', x: 'ü,=' }), line('two\n', 'stderr'), line('three')];
    bench.engine.add('web.task1', written);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub');
    await bench.closed('sub');
    const context = expect.objectContaining({ nodeId: 'node1', serviceId: SERVICE, taskId: 'task1' });
    const expected = written.map(({ data, source, time, details }) => ({
      context,
      data: Uint8Array.from(Buffer.from(data)),
      timestamp: expect.objectContaining(time),
      stream: source === 'stderr' ? LogStream.STDERR : LogStream.STDOUT,
      attrs: Object.entries(details ?? {}).map(([key, value]) => expect.objectContaining({ key, value })),
    }));
    const got = bench.broker.messages('sub').map((m) => ({ ...m, data: Uint8Array.from(m.data) }));
    expect(got).toEqual(expected.map((message) => expect.objectContaining(message)));
    expect(bench.said.join('')).not.toContain('failed'); // that there is no response message is no failure
  });

  it('answers when no task matches', async () => {
    const bench = currentBench();
    bench.engine.add('other', [line('secret\n')]);
    bench.setTask('task1', S.RUNNING, 'another service');
    await bench.serve();
    bench.subscribe('sub');
    await bench.closed('sub');
    expect(bench.broker.lines('sub')).toEqual([]);
    expect(bench.engine.asked).toEqual([]);
  });

  it('reads exited containers, and does not wait for those not started or removed', async () => {
    const bench = currentBench();
    bench.engine.add('web.old', [line('last words\n')], { status: 'exited' });
    bench.engine.add('web.next', [], { status: 'created' });
    bench.setTask('old', S.FAILED);
    bench.setTask('next', S.READY);
    bench.setTask('removed', S.SHUTDOWN);
    bench.setTask('assigned', S.ASSIGNED);
    await bench.serve();
    bench.subscribe('sub');
    await bench.closed('sub');
    expect(bench.broker.lines('sub')).toEqual(['last words\n']);
  });

  it('reads many tasks, each in order', async () => {
    const bench = currentBench();
    const names = Array.from({ length: 30 }, (_, i) => `t${i}`);
    for (const name of names) {
      bench.engine.add(`web.${name}`, [line(`${name} 1\n`), line(`${name} 2\n`)]);
      bench.setTask(name, S.RUNNING);
    }
    await bench.serve();
    bench.subscribe('sub');
    await bench.closed('sub');
    for (const name of names) {
      const own = bench.broker.messages('sub').filter(({ context }) => context?.taskId === name);
      expect(own.map(({ data }) => Buffer.from(data).toString())).toEqual([`${name} 1\n`, `${name} 2\n`]);
    }
    expect(bench.broker.lines('sub')).toHaveLength(60);
  });

  it('reads a terminal', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('$ ls\r\n'), line('a b\r\n'), line('$ ')], { tty: true });
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub');
    await bench.closed('sub');
    expect(bench.broker.messages('sub').every(({ stream }) => stream === LogStream.STDOUT)).toBe(true);
    expect(bench.broker.lines('sub')).toEqual(['$ ls\r\n', 'a b\r\n', '$ ']);
  });

  it('keeps to tail, since and streams', async () => {
    const bench = currentBench();
    const written = ['a', 'b', 'c', 'd'].map((name, i) => line(`${name}\n`, i % 2 ? 'stderr' : 'stdout'));
    bench.engine.add('web.task1', written);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    const cases: [string, SubscriptionOptions, string[]][] = [
      ['all', { tail: 0n }, ['a\n', 'b\n', 'c\n', 'd\n']],
      ['none', { tail: -1n }, []],
      ['two', { tail: -3n }, ['c\n', 'd\n']],
      ['stderr', { streams: [LogStream.STDERR] }, ['b\n', 'd\n']],
      ['since', { since: written[2]?.time ?? {} }, ['c\n', 'd\n']],
      ['from the start', { tail: 2n }, []],
      ['unknown streams', { streams: [LogStream.UNKNOWN] }, []],
    ];
    for (const [id, options, lines] of cases) {
      bench.subscribe(id, options);
      await bench.closed(id);
      expect([id, bench.broker.lines(id)]).toEqual([id, lines]);
    }
  });

  it('closes when a log cannot be read, and sends the others', async () => {
    const bench = currentBench();
    const refusal = new EngineError('container logs', 501, 'configured logging driver does not support reading');
    bench.engine.add('web.none', [line('lost\n')], { refusal });
    bench.engine.add('web.fine', [line('fine\n')]);
    bench.setTask('none', S.RUNNING);
    bench.setTask('fine', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub');
    await bench.closed('sub');
    expect(bench.broker.lines('sub')).toEqual(['fine\n']);
    expect(bench.said.join('')).toContain('configured logging driver does not support reading');
  });

  it('closes when the engine is away, and when it goes while we read', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.engine.goAway();
    bench.subscribe('away');
    await bench.closed('away');
    bench.engine.comeBack();
    bench.subscribe('back');
    await bench.closed('back');
    expect(bench.broker.lines('back')).toEqual(['x\n']);
  });

  it('closes when the log is corrupt, having sent what was whole', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('whole\n'), { ...line(''), data: Buffer.alloc(3 * 1024 * 1024) }]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub');
    await bench.closed('sub');
    expect(bench.broker.lines('sub')).toEqual(['whole\n']);
    expect(bench.said.join('')).toMatch(/a frame of \d+ bytes/);
  });

  it.each(['inspect', 'logs', 'the rest of a log'] as const)('closes when the engine is stuck at %s', async (call) => {
    const bench = currentBench();
    bench.clock = {
      ...systemClock,
      sleep: (ms, signal) => systemClock.sleep(ms === SILENCE_LIMIT_MS ? 20 : ms, signal),
    };
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    bench.engine.stuck = call;
    await bench.serve();
    bench.subscribe('sub');
    await bench.closed('sub');
    expect(bench.said.join('')).toContain('the engine has said nothing for 60 s');
  });

  it('answers one delivered twice only once, even when it is finished', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub');
    bench.subscribe('sub');
    await bench.closed('sub');
    bench.subscribe('sub');
    bench.subscribe('after');
    await bench.closed('after');
    expect(bench.broker.lines('sub')).toEqual(['x\n']);
  });

  it('lives on when the manager does not know the subscription any more', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('gone');
    bench.broker.forget('gone');
    bench.subscribe('sub');
    await bench.closed('sub');
    expect(bench.broker.of('gone')).toEqual([]);
  });
});

describe('a slow manager', () => {
  it('keeps what is in memory small, and gets everything in the end', async () => {
    const bench = currentBench();
    const written = Array.from({ length: 2000 }, () => line(`${'x'.repeat(5000)}\n`)); // 10 MB
    bench.engine.add('web.task1', written);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    const go = bench.broker.stall();
    bench.subscribe('sub');
    let taken = 0;
    let looksWithoutChange = 0;
    await until(() => {
      looksWithoutChange = bench.engine.sentBytes === taken ? looksWithoutChange + 1 : 0;
      taken = bench.engine.sentBytes;
      expect(taken).toBeGreaterThan(0);
      expect(looksWithoutChange).toBeGreaterThan(20);
    });
    expect(taken).toBeLessThan(3 * 1024 * 1024);
    go();
    await bench.closed('sub');
    expect(bench.broker.lines('sub')).toHaveLength(written.length);
  });

  it('does not keep a close message from being obeyed', async () => {
    const bench = currentBench();
    bench.engine.add(
      'web.task1',
      Array.from({ length: 2000 }, () => line(`${'x'.repeat(10_000)}\n`)),
    );
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    const go = bench.broker.stall();
    bench.subscribe('sub', { follow: true });
    await until(() => expect(bench.engine.open).toBe(1));
    bench.broker.close('sub');
    await until(() => expect(bench.engine.open).toBe(0));
    go();
  });
});

it('lets one task send 10 MB at once and then 10 MB a second', async () => {
  const bench = currentBench();
  let nowMs = 0;
  const sleep: Clock['sleep'] = async (ms, signal) => {
    if (ms === SILENCE_LIMIT_MS) return systemClock.sleep(ms, signal);
    nowMs += ms;
  };
  bench.clock = { now: () => 0, monotonicMs: () => nowMs, sleep };
  bench.engine.add(
    'web.task1',
    Array.from({ length: 2000 }, () => line(`${'x'.repeat(8000)}\n`)),
  );
  bench.setTask('task1', S.RUNNING);
  await bench.serve();
  bench.subscribe('sub');
  await bench.closed('sub');
  expect(nowMs).toBeCloseTo(((2000 * 8001 - THROTTLE_BURST_BYTES) / THROTTLE_BYTES_PER_SEC) * 1000, 3);
});

describe('a session', () => {
  it('starts with no subscription known: the same one is answered again', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await bench.shows('sub', ['x\n']);
    bench.stop.abort(new Error('the session is lost'));
    expect(await bench.served).toBeUndefined();
    expect(bench.engine.open).toBe(0);
    bench.stop = new AbortController();
    await until(() => expect(bench.broker.listening).toBe(0));
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await bench.shows('sub', ['x\n', 'x\n']);
    expect(bench.broker.of('sub').map(({ end }) => end)).toEqual(['cut', undefined]);
  });

  it('ends with the stream of subscriptions', async () => {
    const bench = currentBench();
    await bench.serve();
    bench.broker.stop(Code.UNKNOWN, 'broker is not running');
    expect(await bench.served).toMatchObject({ code: Code.UNKNOWN, details: 'broker is not running' });
  });

  it('ends when the manager ends that stream in order', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await bench.shows('sub', ['x\n']);
    bench.broker.endListening();
    expect(await bench.served).toMatchObject({ message: expect.stringContaining('has ended the stream') });
    expect(bench.engine.open).toBe(0);
  });

  it('with a manager that has no log broker lasts until it is told to stop', async () => {
    const bench = currentBench();
    await using old = await FakeBroker.listen({ logBroker: false });
    const toOld = old.connect();
    bench.served = bench.logs.serve(toOld, bench.stop.signal);
    await until(() => expect(bench.said.join('')).toContain('no log broker'));
    bench.stop.abort(new Error('over'));
    expect(await bench.served).toBeUndefined();
    toOld.close();
  });

  it('serves subscriptions beside each other, and answers one too many', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    for (let i = 0; i < 256; i++) bench.subscribe(`sub${i}`, { follow: true });
    await until(() => expect(bench.engine.open).toBe(256));
    bench.subscribe('too many', { follow: true });
    await bench.closed('too many');
    bench.engine.write('web.task1', line('y\n'));
    for (let i = 0; i < 256; i++) await bench.shows(`sub${i}`, ['x\n', 'y\n']);
  });
});
