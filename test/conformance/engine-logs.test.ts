import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Client } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '#agent/engine/engine.ts';
import { FakeBroker } from '#agent/logs/fake-broker.fixture.ts';
import { createLogService, type LogService } from '#agent/logs/log-service.ts';
import { compareLogTime, parseLogTime } from '#agent/logs/log-time.ts';
import { systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { type TaskRecord, TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { type LogMessage, LogStream, type LogSubscriptionOptionsSchema } from '#proto/gen/swarmkit/logbroker_pb.js';
import { TaskState as S, type TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { type Bed, createBed } from '#test/hosts/bed.ts';
import { engineVersion } from '#test/hosts/engine-roots.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';

/** Docker cuts lines into pieces of this many bytes. */
const PIECE = 16 * 1024;
const NEWLINE = 0x0a;
const SERVICE = 'service1';
type Options = MessageInitShape<typeof LogSubscriptionOptionsSchema>;

/** The containers of real engines as tasks, read for a log broker by the service that a node runs. */
describe.each(['bookworm', 'sid'] as const)('logs of the engine of %s', (suite) => {
  let bed: Bed;
  let host: Host;
  let engine: Engine;
  let broker: FakeBroker;
  let client: Client;
  let logs: LogService;
  const stop = new AbortController();
  let served: Promise<unknown>;
  const records = new Map<string, TaskRecord>();
  let subscriptions = 0;

  beforeAll(async () => {
    bed = await createBed({ engine: suite });
    host = await bed.host('worker');
    await host.engine.start({ liveRestore: true });
    await host.engine.load();
    engine = createEngine(`unix://${host.engine.socketPath}`);
    broker = await FakeBroker.listen();
    client = broker.connect();
    logs = createLogService({
      engine,
      tasks: { all: () => [...records.values()], get: (id) => records.get(id) },
      containerName: (task) => task.id,
      nodeId: () => broker.nodeId,
      clock: systemClock,
      log: silentLogger,
    });
    served = logs.serve(client, stop.signal);
    await eventually('the service listens', () => broker.listening === 1);
  });

  afterEach(async () => {
    const names = [...records.keys()];
    records.clear();
    for (const name of names) logs.taskChanged(name, undefined);
    await host.exec(['docker', 'rm', '--force', ...names]);
    expect(broker.breaches.splice(0)).toEqual([]);
  });

  afterAll(async () => {
    stop.abort(new Error('the test is over'));
    await served;
    client.close();
    engine.close();
    await broker[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
  });

  function setTask(name: string, state: TaskState): void {
    const record = create(TaskRecordSchema, { task: { id: name, serviceId: SERVICE }, status: { state } });
    records.set(name, record);
    logs.taskChanged(name, record);
  }

  /** Runs a shell script in a container to its end, as a task. */
  async function ran(name: string, script: string, ...flags: readonly string[]): Promise<void> {
    await host.docker('run', '--detach', '--name', name, ...flags, BUSYBOX, 'sh', '-c', script);
    await host.docker('wait', name);
    setTask(name, S.COMPLETE);
  }

  function subscribe(options: Options, taskId?: string): string {
    const id = `sub${++subscriptions}`;
    broker.subscribe({ id, selector: taskId ? { taskIds: [taskId] } : { serviceIds: [SERVICE] }, options });
    return id;
  }

  /** What `docker service logs` of one task gives. */
  async function readTask(name: string, options: Options = {}): Promise<readonly LogMessage[]> {
    const id = subscribe(options, name);
    await eventually('the subscription is closed', () => broker.of(id).some(({ end }) => end === 'closed'));
    return broker.messages(id);
  }

  const shows = (id: string, text: string) =>
    eventually(`${id} shows ${text}`, () => broker.lines(id).join('') === text);

  it('are of the version they should be', async () => {
    expect(await host.docker('version', '--format', '{{.Server.Version}}')).toContain(engineVersion(suite) ?? 'none');
  });

  describe.each(['json-file', 'local'])('with the log driver %s', (driver) => {
    const drive = `--log-driver=${driver}`;

    it('are whole: both streams, times as the engine has them, tail, since, streams', async () => {
      // Between two streams the order is that in which the engine reads them: a busy one needs a moment for each.
      await ran(
        'both',
        'for i in 1 2 3; do echo out $i; sleep 0.3; echo err $i >&2; sleep 0.3; done; printf end',
        drive,
      );
      const messages = await readTask('both');
      expect(textOf(messages)).toBe('out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nend');
      const { STDOUT, STDERR } = LogStream;
      expect(messages.map(({ stream }) => stream)).toEqual([STDOUT, STDERR, STDOUT, STDERR, STDOUT, STDERR, STDOUT]);
      expect(messages.every(({ attrs }) => attrs.length === 0)).toBe(true);
      expect(messages.every(({ context }) => context?.taskId === 'both' && context.serviceId === SERVICE)).toBe(true);
      const stamps = await host.docker('logs', '--timestamps', 'both').then((text) => text.match(/^\S+/gm) ?? []);
      expect(timesOf(messages).filter((_, i) => messages[i]?.stream === STDOUT)).toEqual(stamps.map(parseLogTime));

      expect(textOf(await readTask('both', { tail: -1n }))).toBe('');
      expect(textOf(await readTask('both', { tail: -3n }))).toBe('err 3\nend');
      expect(textOf(await readTask('both', { streams: [STDERR] }))).toBe('err 1\nerr 2\nerr 3\n');
      expect(textOf(await readTask('both', { streams: [STDOUT], tail: -1000n }))).toBe('out 1\nout 2\nout 3\nend');
      const third = timesOf(messages)[2];
      if (third === undefined) throw new Error('no third message');
      expect(textOf(await readTask('both', { since: third }))).toBe('out 2\nerr 2\nout 3\nerr 3\nend');
      const later = { seconds: third.seconds, nanos: third.nanos + 1 };
      expect(textOf(await readTask('both', { since: later }))).toBe('err 2\nout 3\nerr 3\nend');
      const order = timesOf(messages).map((time, i, all) => compareLogTime(time, all[i + 1] ?? time));
      expect(order.every((sign) => sign <= 0)).toBe(true);
    });

    // Lines of exactly one and two pieces, of a piece and a bit, and short ones between.
    const long = [10, PIECE, 10, 2 * PIECE, PIECE + 1, 3 * PIECE - 1, 0, 5];
    /** Engine 20.10 loses the newline of a long line with this log driver; so does its own `docker logs`. */
    const endOf = (length: number) => (suite === 'bookworm' && driver === 'local' && length >= PIECE ? '' : '\n');
    const script = long.map((length) => `head -c ${length} /dev/zero | tr '\\0' x; echo`).join('; ');

    it('have lines that the engine cuts into pieces', async () => {
      await ran('long', script, drive);
      const messages = await readTask('long');
      const lines = long.map((length) => 'x'.repeat(length) + endOf(length));
      expect(short(textOf(messages))).toBe(short(lines.join('')));
      expect(messages.every(({ data }) => data.length <= PIECE + 1)).toBe(true);
      const pieces = messages.filter(({ data }) => data.length === PIECE && data.at(-1) !== NEWLINE);
      expect(pieces).toHaveLength(1 + 2 + 1 + 2);
    });

    it('of a terminal are the same, in the same pieces, all of it standard output', async () => {
      await ran('tty', `echo to stderr >&2; ${script}`, drive, '--tty');
      const messages = await readTask('tty');
      const lines = long.map((length) => `${'x'.repeat(length)}\r${endOf(length + 1)}`);
      expect(short(textOf(messages))).toBe(short(`to stderr\r\n${lines.join('')}`));
      expect(messages.every(({ stream }) => stream === LogStream.STDOUT)).toBe(true);
      expect(messages.every(({ data }) => data.length <= PIECE + 1)).toBe(true);
      expect(messages.length).toBeGreaterThan(long.length + 5);
    });

    it('of a terminal may hold anything', async () => {
      // Bytes that are no UTF-8, in a line longer than a piece: json-file makes each three bytes long.
      const bytes = `head -c ${PIECE + 100} /dev/zero | tr '\\0' '\\377'; echo; echo next`;
      await ran('bytes', bytes, drive, '--tty');
      const byte = driver === 'local' ? '\u00ff' : Buffer.from('\u{fffd}').toString('latin1');
      const shown = textOf(await readTask('bytes')).replaceAll(byte, '?');
      expect(short(shown)).toBe(`[? ${PIECE + 100}]\r${endOf(PIECE)}next\r\n`);
    });

    it('are followed from before the start to after the end', async () => {
      setTask('followed', S.READY);
      const id = subscribe({ follow: true });
      await host.docker(
        'create',
        '--name',
        'followed',
        drive,
        BUSYBOX,
        'sh',
        '-c',
        'echo first; sleep 0.3; echo second',
      );
      setTask('followed', S.STARTING);
      await host.docker('start', 'followed');
      setTask('followed', S.RUNNING);
      await shows(id, 'first\nsecond\n');
      await host.docker('wait', 'followed');
      setTask('followed', S.COMPLETE);
      await host.docker('rm', 'followed');
      setTask('followed', S.SHUTDOWN);
      await ran('other', 'echo other', drive);
      await shows(id, 'first\nsecond\nother\n');
      expect(broker.of(id).map(({ end }) => end)).toEqual([undefined]);
      broker.close(id);
      await eventually('the call is over', () => broker.of(id)[0]?.end === 'cut');
    });

    it('go on when their container is removed while they are followed', async () => {
      await host.docker('run', '-d', '--name', 'victim', drive, BUSYBOX, 'sh', '-c', 'echo alive; sleep 100');
      setTask('victim', S.RUNNING);
      const id = subscribe({ follow: true });
      await shows(id, 'alive\n');
      await host.docker('rm', '--force', 'victim');
      setTask('victim', S.FAILED);
      await ran('heir', 'echo heir', drive);
      await shows(id, 'alive\nheir\n');
      broker.close(id);
    });

    it('go on where they were after the engine was restarted under a running container', async () => {
      const count = 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i; sleep 0.02; done; sleep 100';
      await host.docker('run', '-d', '--name', 'counter', drive, BUSYBOX, 'sh', '-c', count);
      setTask('counter', S.RUNNING);
      const id = subscribe({ follow: true });
      await eventually('lines arrive', () => broker.lines(id).length > 10);
      await host.engine.restart();
      const expected = Array.from({ length: 200 }, (_, i) => `line ${i + 1}\n`);
      await eventually('all lines have arrived', () => broker.lines(id).length === 200, {
        timeoutMs: 60_000,
      });
      expect(broker.lines(id)).toEqual(expected);
      broker.close(id);
    });

    it('are read in bulk, every line in order', async () => {
      await ran('bulk', 'seq 1 50000', drive);
      const expected = Array.from({ length: 50_000 }, (_, i) => `${i + 1}\n`).join('');
      const messages = await readTask('bulk');
      expect(textOf(messages) === expected).toBe(true);
      expect(messages).toHaveLength(50_000);
    });
  });

  it('have the details the container asked for', async () => {
    const chosen = ['--log-opt', 'labels=role,odd', '--log-opt', 'env=MODE', '--log-opt', 'tag=t,{{.Name}}'];
    const given = ['--label', 'role=front end', '--label', 'odd=a=b,c%ü', '--label', 'hidden=1', '--env', 'MODE=x y'];
    const attrs = [
      ['MODE', 'x y'],
      ['odd', 'a=b,c%ü'],
      ['role', 'front end'],
      ['tag', 't,detailed'],
    ];
    await ran('detailed', 'echo hello  world', '--log-driver=json-file', ...chosen, ...given);
    await ran('detailedtty', 'echo hello  world', '--tty', '--log-driver=json-file', ...chosen, ...given);
    for (const [name, end] of [
      ['detailed', '\n'],
      ['detailedtty', '\r\n'],
    ] as const) {
      const messages = await readTask(name);
      expect(textOf(messages)).toBe(`hello world${end}`);
      const tagged = attrs.map(([key, value]) => [key, key === 'tag' ? `t,${name}` : value]);
      expect(messages[0]?.attrs.map(({ key, value }) => [key, value])).toEqual(tagged);
    }
  });

  it('that cannot be read are answered with nothing', async () => {
    await ran('silent', 'echo lost', '--log-driver=none');
    expect(await readTask('silent')).toEqual([]);
    setTask('nosuch', S.RUNNING);
    expect(await readTask('nosuch')).toEqual([]);
  });

  it('of several tasks come together', async () => {
    await ran('one', 'echo a1; echo a2');
    await ran('two', 'echo b1', '--tty');
    await ran('three', 'echo lost', '--log-driver=none');
    const id = subscribe({});
    await eventually('the subscription is closed', () => broker.of(id).some(({ end }) => end === 'closed'));
    expect([...broker.lines(id)].sort()).toEqual(['a1\n', 'a2\n', 'b1\r\n']);
  });

  it('are answered when the engine is away', async () => {
    await ran('kept', 'echo kept');
    await host.engine.stop();
    expect(await readTask('kept')).toEqual([]);
    await host.engine.start();
    expect(textOf(await readTask('kept'))).toBe('kept\n');
  });
});

/** Data of all messages, as bytes in Latin 1. */
function textOf(messages: readonly LogMessage[]): string {
  return Buffer.concat(messages.map(({ data }) => data)).toString('latin1');
}

/** Long runs of one character as `[x 16384]`: a failure then fits the screen. */
function short(text: string): string {
  return text.replace(/(.)\1{49,}/g, (run, char: string) => `[${char} ${run.length}]`);
}

function timesOf(messages: readonly LogMessage[]) {
  return messages.map(({ timestamp }) => ({ seconds: timestamp?.seconds ?? 0n, nanos: timestamp?.nanos ?? 0 }));
}
