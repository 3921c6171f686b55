import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEngine, type Engine } from './engine.ts';
import { EngineServer } from './engine-server.fixture.ts';

let dir: string;
let server: EngineServer;
let engine: Engine;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'engine-'));
  server = new EngineServer(join(dir, 'engine.sock'));
  await server.start();
  engine = createEngine(server.address);
});
afterEach(async () => {
  vi.useRealTimers();
  engine.close();
  await server.stop();
  await rm(dir, { recursive: true });
});

it('gives the id of a container it has made', async () => {
  server.answers['/containers/create'] = { json: { Id: 'c0ffee', Warnings: [] } };
  expect(await engine.createContainer('name', {})).toEqual({ id: 'c0ffee' });
});

it('gives the driver of a volume it has made', async () => {
  server.answers['/volumes/create'] = { json: { Name: 'v', Driver: 'local' } };
  expect(await engine.createVolume({ Name: 'v' })).toEqual({ driver: 'local' });
});

describe('an engine that takes a call and does not answer', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  /** Waits without a timer. */
  const comes = async (look: () => boolean, what: string) => {
    const deadlineMs = performance.now() + 10_000;
    while (!look()) {
      if (performance.now() > deadlineMs) throw new Error(`it did not come about that ${what}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  /** The call is given up exactly after so many seconds. */
  const givenUpAfter = async (seconds: number, path: string, call: () => Promise<unknown>) => {
    server.answers[path] = 'silence';
    let outcome: unknown;
    const over = call().catch((error: unknown) => {
      outcome = error;
    });
    await comes(() => server.requests.includes(path), 'the engine is asked');
    vi.advanceTimersByTime(seconds * 1000 - 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(outcome).toBeUndefined();
    vi.advanceTimersByTime(1);
    await over;
    return outcome;
  };

  it.each<[string, number, (engine: Engine) => Promise<unknown>]>([
    ['/version', 60, (e) => e.version()],
    ['/info', 60, (e) => e.info()],
    ['/plugins', 60, (e) => e.plugins()],
    ['/containers/create', 120, (e) => e.createContainer('c', {})],
    ['/containers/c/json', 60, (e) => e.inspectContainer('c')],
    ['/containers/json', 60, (e) => e.listContainers('a=b')],
    ['/containers/c/start', 120, (e) => e.startContainer('c')],
    ['/containers/c/stop', 130, (e) => e.stopContainer('c', undefined)],
    ['/containers/c/stop', 420, (e) => e.stopContainer('c', 300)],
    ['/containers/c', 120, (e) => e.removeContainer('c')],
    ['/images/i/json', 60, (e) => e.hasImage('i')],
    ['/volumes/create', 120, (e) => e.createVolume({ Name: 'v' })],
    ['/networks/n', 60, (e) => e.inspectNetwork('n')],
    ['/networks/create', 120, (e) => e.createNetwork({ Name: 'n' })],
    ['/networks/n', 120, (e) => e.removeNetwork('n')],
    ['/networks/n/connect', 120, (e) => e.connectNetwork('n', { Container: 'c' })],
    ['/networks/n/disconnect', 120, (e) => e.disconnectNetwork('n', 'c')],
  ])('is not waited for without end at %s: %d s', async (path, seconds, call) => {
    expect(await givenUpAfter(seconds, path, () => call(engine))).toMatchObject({
      code: 'engine-stuck',
      message: expect.stringMatching(new RegExp(`has not answered [A-Z]+ ${path} for ${seconds} s$`)),
      mend: expect.stringContaining('systemctl restart docker'),
    });
  });

  it('is given any time a task may have to stop', async () => {
    server.answers['/containers/c/stop'] = 'silence';
    const outcome = engine.stopContainer('c', 10 ** 9).catch((error: unknown) => error);
    await comes(() => server.requests.length === 1, 'the engine is asked');
    vi.advanceTimersByTime(1000); // a longer one than timers can be would be over by now
    await server.stop();
    expect(await outcome).toMatchObject({ code: 'engine-unreachable' });
  });

  it('is given up also in the middle of an answer', async () => {
    server.answers['/containers/c/json'] = { begins: '{"Id":' };
    const answer = engine.inspectContainer('c').catch((error: unknown) => error);
    await comes(() => server.requests.length === 1, 'the engine is asked');
    await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(60_000);
    expect(await answer).toMatchObject({ code: 'engine-stuck' });
  });

  it('keeps others from starting for a few seconds only, however many starts hang', async () => {
    const ids = Array.from({ length: 50 }, (_, i) => `hangs${i}`);
    for (const id of ids) server.answers[`/containers/${id}/start`] = 'silence';
    server.answers['/containers/well/start'] = { status: 204, text: '' };
    for (const id of ids) engine.startContainer(id).catch(() => {});
    let started = false;
    const well = engine.startContainer('well').then(() => {
      started = true;
    });
    for (let waitedMs = 0; waitedMs < 75_000; waitedMs += 1000) {
      await new Promise((resolve) => setImmediate(resolve));
      vi.advanceTimersByTime(1000);
    }
    await comes(() => started, 'it is started');
    await well;
  });

  it('is asked for an image as long as there is progress, and five minutes longer', async () => {
    server.answers['/images/create'] = { begins: '{"status":"Downloading"}' };
    const pulled = engine.pullImage('app', undefined, new AbortController().signal).catch((error: unknown) => error);
    await comes(() => server.begun === 1, 'the pull has begun');
    for (let minute = 0; minute < 30; minute += 4) {
      const heard = server.begun;
      vi.advanceTimersByTime(4 * 60_000);
      server.goOn('{"status":"Downloading"}');
      await new Promise((resolve) => setImmediate(resolve));
      expect(server.begun).toBe(heard);
    }
    vi.advanceTimersByTime(5 * 60_000);
    expect(await pulled).toMatchObject({
      code: 'engine-refused',
      message: 'the pull of app has not made any progress for 5 minutes',
    });
  });
});
