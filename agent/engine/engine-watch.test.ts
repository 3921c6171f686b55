import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#base/log.ts';
import { eventually } from '#test/fake-manager/eventually.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { createEngine, type Engine, type EngineInfo } from './engine.ts';
import { EngineServer, INFO, VERSION } from './engine-server.fixture.ts';
import { checkEngine, compareVersions, createEngineWatch, type EngineState, type EngineWatch } from './engine-watch.ts';

let dir: string;
let server: EngineServer;
let clock: VirtualClock;
let engine: Engine;
let watch: EngineWatch;
let scope: AbortController;
let running: Promise<void>;
/** What the watch told, in order. */
let told: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'engine-watch-'));
  server = new EngineServer(join(dir, 'engine.sock'));
  clock = new VirtualClock();
  engine = createEngine(server.address);
  told = [];
  scope = new AbortController();
  running = Promise.resolve();
});
afterEach(async () => {
  scope.abort(new Error('the test is over'));
  await running;
  engine.close();
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

const start = () => {
  watch = createEngineWatch({
    engine,
    onEvent: ({ action, subjectId }) => told.push(`${action} ${subjectId}`),
    onUp: () => told.push(`up, ${server.listening} listening`),
    onChange: () => told.push(watch.state().kind),
    clock,
    log: silentLogger,
  });
  running = watch.run(scope.signal);
};
const comes = <K extends EngineState['kind']>(kind: K) =>
  eventually(() => watch.state().kind === kind, `the engine is ${kind}`);
const problem = () => {
  const state = watch.state();
  return state.kind === 'down' ? state.error : undefined;
};
/** Lets the watch try again. */
const retry = async () => {
  await clock.sleeping(({ ms }) => ms === 500);
  await clock.advance(500);
};

describe('createEngineWatch', () => {
  it('listens for events before it says that the engine is up', async () => {
    await server.start();
    start();
    expect(watch.state().kind).toBe('connecting');
    await comes('up');
    expect(told).toEqual(['up', 'up, 1 listening']);
    expect(watch.state()).toMatchObject({ facts: { version: VERSION, info: INFO, plugins: [] } });
    server.event('die', 'c1');
    await eventually(() => told.includes('die c1'), 'the event is told');
  });

  it('sees the engine go away and come back, and keeps what it knew', async () => {
    await server.start();
    start();
    await comes('up');
    await server.stop();
    await comes('down');
    const down = watch.state();
    expect(down).toMatchObject({ kind: 'down', sinceMs: clock.now(), facts: { info: { Name: 'host' } } });
    await retry();
    await eventually(() => problem()?.message.includes('ENOENT'), 'it has tried again');
    expect(watch.state()).toMatchObject({ sinceMs: down.sinceMs });

    server.answers['/version'] = { json: { ...VERSION, Version: '29.0.0' } };
    await server.start();
    await retry();
    await comes('up');
    expect(watch.state()).toMatchObject({ sinceMs: clock.now(), facts: { version: { Version: '29.0.0' } } });
    expect(told.filter((what) => what === 'up, 1 listening')).toHaveLength(2);
    server.event('start', 'c2');
    await eventually(() => told.includes('start c2'), 'events come again');
  });

  it('says once that an engine is away, however often it looks', async () => {
    start();
    await comes('down');
    for (let i = 0; i < 3; i++) await retry();
    expect(told).toEqual(['down']);
    expect(problem()).toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringContaining(server.address),
      mend: expect.stringContaining('systemctl status docker'),
    });
  });

  it('begins anew when only the events end', async () => {
    await server.start();
    start();
    await comes('up');
    server.endEvents();
    await comes('down');
    await retry();
    await comes('up');
  });

  it('asks again every 20 s, so that a new label is noticed', async () => {
    await server.start();
    start();
    await comes('up');
    server.answers['/info'] = { json: { ...INFO, Labels: ['a=b'] } };
    await clock.sleeping(({ ms }) => ms === 20_000);
    await clock.advance(20_000);
    await eventually(() => {
      const state = watch.state();
      return state.kind === 'up' && state.facts.info.Labels?.[0] === 'a=b';
    }, 'the label is there');
    expect(told.filter((what) => what.startsWith('up,'))).toHaveLength(1);
  });

  it.each(['/version', '/info', '/events'])('does not wait for ever for an engine that hangs at %s', async (path) => {
    server.answers[path] = 'silence';
    await server.start();
    start();
    await eventually(() => server.requests.includes(path), 'it is asked');
    await clock.sleeping(({ ms }) => ms === 30_000);
    await clock.advance(30_000);
    await comes('down');
    expect(problem()).toMatchObject({
      code: 'engine-stuck',
      message: expect.stringContaining('has not answered for 30 s'),
      mend: expect.stringContaining('systemctl restart docker'),
    });
    delete server.answers[path];
    if (path === '/version') server.answers[path] = { json: VERSION };
    if (path === '/info') server.answers[path] = { json: INFO };
    await retry();
    await comes('up');
  });

  it.each<[string, Partial<EngineServer['answers']>]>([
    ['knows no /version', { '/version': { status: 404, text: '<html>not found</html>' } }],
    ['answers with a page', { '/version': { status: 200, text: '<html>welcome</html>' } }],
    ['answers with something else', { '/version': { json: { name: 'other' } }, '/plugins': { json: {} } }],
    ['knows no /info', { '/info': { json: {} } }],
  ])('refuses a server that %s', async (_, answers) => {
    Object.assign(server.answers, answers);
    await server.start();
    start();
    await comes('down');
    expect(problem()).toMatchObject({
      code: 'not-an-engine',
      message: `what answers at ${server.address} is not a Docker engine`,
      mend: expect.stringContaining('--engine'),
    });
  });

  it('refuses a server that speaks no HTTP', async () => {
    const other = createServer((socket) => socket.resume().end('220 mail.example.com ESMTP\r\n'));
    await new Promise<void>((resolve) => other.listen(server.path, resolve));
    start();
    await comes('down');
    expect(problem()?.code).toBe('not-an-engine');
    await new Promise((resolve) => other.close(resolve));
  });

  it('takes an engine that is still starting for one that will come', async () => {
    server.answers['/version'] = { status: 503, text: '{"message":"the daemon is starting"}' };
    await server.start();
    start();
    await comes('down');
    expect(problem()).toMatchObject({ code: 'engine-refused', message: 'the daemon is starting' });
    server.answers['/version'] = { json: VERSION };
    await retry();
    await comes('up');
  });

  it('stops when told to, and leaves nothing behind', async () => {
    await server.start();
    start();
    await comes('up');
    scope.abort(new Error('enough'));
    await running;
    await eventually(() => server.listening === 0, 'the stream is closed');
    expect(clock.sleepers).toEqual([]);
  });
});

describe('checkEngine', () => {
  const check = (version: object, info: object) => () =>
    checkEngine('unix:///x', { ...VERSION, ...version } as Docker.DockerVersion, { ...INFO, ...info } as EngineInfo);

  it.each<[string, object, object]>([
    ['the least version', { ApiVersion: '1.41' }, {}],
    ['a newer one', { ApiVersion: '1.100' }, {}],
    ['the next major', { ApiVersion: '2.0' }, {}],
    ['one that says nothing of a swarm', {}, { Swarm: undefined }],
    ['one with an empty swarm', {}, { Swarm: { LocalNodeState: '' } }],
  ])('takes %s', (_, version, info) => {
    expect(check(version, info)).not.toThrow();
  });

  it.each<[string, object, object, object]>([
    [
      'an old one, and says which is new enough',
      { ApiVersion: '1.40' },
      {},
      {
        code: 'engine-too-old',
        message: expect.stringContaining('1.41 or newer'),
        mend: expect.stringContaining('20.10'),
      },
    ],
    [
      'one in a swarm, and says how to leave',
      {},
      { Swarm: { LocalNodeState: 'active' } },
      { code: 'engine-in-swarm', mend: expect.stringContaining('docker swarm leave') },
    ],
    ['one locked in a swarm', {}, { Swarm: { LocalNodeState: 'locked' } }, { code: 'engine-in-swarm' }],
    ['none', {}, { NCPU: undefined }, { code: 'not-an-engine' }],
  ])('refuses %s', (_, version, info, error) => {
    expect(check(version, info)).toThrow(expect.objectContaining(error));
  });
});

describe('compareVersions', () => {
  it.each([
    ['1.41', '1.41', 0],
    ['1.9', '1.41', -1],
    ['1.41', '1.9', 1],
    ['2', '1.99', 1],
    ['1.41.1', '1.41', 1],
    ['1', '1.0', 0],
  ])('%s and %s', (a, b, sign) => {
    expect(Math.sign(compareVersions(a, b))).toBe(sign);
  });
});
