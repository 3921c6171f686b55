import { describe, expect, it } from 'vitest';
import { EngineError } from '#agent/engine/engine-error.ts';
import { TaskState as S } from '#proto/gen/swarmkit/types_pb.js';
import { line, until, useLogBench } from './log-bench.fixture.ts';

const currentBench = useLogBench();

describe('with follow', () => {
  it('sends what comes, from every task as it starts, and ends at the close message', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('one\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await bench.shows('sub', ['one\n']);
    bench.engine.write('web.task1', line('two\n', 'stderr'));
    await bench.shows('sub', ['one\n', 'two\n']);

    bench.setTask('task2', S.ASSIGNED);
    bench.setTask('task2', S.READY);
    bench.engine.add('web.task2', [], { status: 'created' });
    bench.setTask('task2', S.STARTING);
    bench.engine.start('web.task2');
    bench.engine.write('web.task2', line('three\n'));
    bench.setTask('task2', S.RUNNING);
    await bench.shows('sub', ['one\n', 'two\n', 'three\n']);
    expect(bench.broker.of('sub').map(({ end }) => end)).toEqual([undefined]);

    bench.broker.close('sub');
    await until(() => expect(bench.broker.of('sub').map(({ end }) => end)).toEqual(['cut']));
    await until(() => expect(bench.engine.open).toBe(0));
  });

  it('finds a container that starts while its task only says STARTING: its health check decides later', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [], { status: 'created' });
    bench.setTask('task1', S.STARTING);
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await until(() => expect(bench.broker.listening).toBe(1));
    bench.engine.start('web.task1');
    bench.engine.write('web.task1', line('warming up\n'));
    await bench.shows('sub', ['warming up\n']);
  });

  it('shows all of a container started later, also to one who wants no old lines', async () => {
    const bench = currentBench();
    bench.engine.add('web.old', [line('old\n')]);
    bench.setTask('old', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub', { follow: true, tail: -1n });
    await until(() => expect(bench.engine.open).toBe(1));
    bench.setTask('new', S.ASSIGNED);
    bench.engine.add('web.new', [], { status: 'created' });
    bench.setTask('new', S.STARTING);
    bench.engine.start('web.new');
    bench.engine.write('web.new', line('first\n'), line('second\n'));
    bench.setTask('new', S.RUNNING);
    await bench.shows('sub', ['first\n', 'second\n']);
  });

  it('goes on after the engine was away, losing and repeating nothing', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('one\n'), line('two\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub', { follow: true, tail: -2n });
    await bench.shows('sub', ['two\n']);
    bench.engine.goAway();
    bench.engine.write('web.task1', line('meanwhile\n'));
    bench.engine.comeBack();
    await bench.shows('sub', ['two\n', 'meanwhile\n']);
    bench.engine.write('web.task1', line('after\n'));
    await bench.shows('sub', ['two\n', 'meanwhile\n', 'after\n']);
  });

  it('reads a container that ends to its end, once, and stays', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('one\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await bench.shows('sub', ['one\n']);
    bench.engine.write('web.task1', line('bye\n'));
    bench.engine.exit('web.task1');
    bench.setTask('task1', S.COMPLETE);
    await bench.shows('sub', ['one\n', 'bye\n']);
    bench.setTask('task1', S.COMPLETE);
    bench.removeTask('task1');
    bench.engine.remove('web.task1');
    bench.subscribe('other');
    await bench.closed('other');
    expect(bench.broker.of('sub').map(({ end }) => end)).toEqual([undefined]);
    expect(bench.broker.lines('sub')).toEqual(['one\n', 'bye\n']);
    expect(bench.engine.open).toBe(0);
  });

  it('wakes for every change of a task that waits', async () => {
    const bench = currentBench();
    bench.setTask('task1', S.ASSIGNED);
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await until(() => expect(bench.engine.inspected).toBe(1));
    bench.setTask('task1', S.PREPARING);
    await until(() => expect(bench.engine.inspected).toBe(2));
    bench.engine.add('web.task1', [], { status: 'created' });
    bench.setTask('task1', S.READY);
    await until(() => expect(bench.engine.inspected).toBe(3));
    bench.engine.start('web.task1');
    bench.engine.write('web.task1', line('x\n'));
    bench.setTask('task1', S.STARTING);
    await bench.shows('sub', ['x\n']);
  });

  it.each(['at once', 'later'])('takes a task that is given back %s for a new one', async (when) => {
    const bench = currentBench();
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await until(() => expect(bench.said.join('')).toContain('log subscription'));
    bench.setTask('task1', S.ASSIGNED);
    await until(() => expect(bench.engine.inspected).toBe(1));
    bench.removeTask('task1');
    if (when === 'later') await new Promise((resolve) => setImmediate(resolve));
    bench.setTask('task1', S.ASSIGNED);
    await until(() => expect(bench.engine.inspected).toBe(2));
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.shows('sub', ['x\n']);
    expect(bench.engine.open).toBe(1);
    bench.engine.write('web.task1', line('y\n'));
    await bench.shows('sub', ['x\n', 'y\n']);
    expect(bench.engine.asked).toHaveLength(1);
  });

  it('stays open when a log cannot be read', async () => {
    const bench = currentBench();
    const refusal = new EngineError('container logs', 500, 'configured logging driver does not support reading');
    bench.engine.add('web.none', [], { refusal });
    bench.setTask('none', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    await until(() => expect(bench.said.join('')).toContain('does not support reading'));
    bench.engine.add('web.fine', [line('fine\n')]);
    bench.setTask('fine', S.RUNNING);
    await bench.shows('sub', ['fine\n']);
    expect(bench.engine.asked.filter(({ id }) => id === 'web.none')).toHaveLength(1);
  });

  it('stops reading when the manager refuses the call', async () => {
    const bench = currentBench();
    bench.engine.add('web.task1', [line('x\n')]);
    bench.setTask('task1', S.RUNNING);
    await bench.serve();
    bench.subscribe('sub', { follow: true });
    bench.broker.forget('sub');
    await until(() => {
      bench.engine.write('web.task1', line('y\n')); // the refusal is found out with the next line sent
      expect(bench.said.join('')).toContain('unknown subscription ID');
    });
    await until(() => expect(bench.engine.open).toBe(0));
  });
});
