import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '#agent/engine/engine.ts';
import { EngineServer } from '#agent/engine/engine-server.fixture.ts';
import { silentLogger } from '#base/log.ts';
import { TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { createEngineOperations } from './engine-operations.ts';

let scope: AsyncDisposableStack;
let server: EngineServer;
let engine: Engine;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'netd-name-'));
  scope.defer(() => rm(directory, { recursive: true }));
  server = scope.use(new EngineServer(join(directory, 'engine.sock')));
  await server.start();
  engine = createEngine(server.address);
  scope.defer(engine.close);
});
afterEach(() => scope.disposeAsync());

/** Makes the container of `web.1.t1`, and the engine says why it does not. */
const prepared = (refusal: string) => {
  server.answers['/containers/create'] = { status: 409, text: JSON.stringify({ message: refusal }) };
  const operations = createEngineOperations({
    engine,
    overlays: { ready: async () => {}, drain: async () => {} },
    node: () => ({ id: 'n1', hostname: 'host', platform: { architecture: 'x86_64', os: 'linux' } }),
    payloads: { directory: () => '/nowhere', reserve: async () => {}, fill: async () => {}, remove: async () => {} },
    preferOfflineImage: false,
    log: silentLogger,
  });
  const runtime = { case: 'container' as const, value: { image: 'sha256:c0ffee' } };
  const task = create(TaskSchema, { id: 't1', slot: 1n, serviceAnnotations: { name: 'web' }, spec: { runtime } });
  return operations.resolve(task).prepare(new AbortController().signal, () => {});
};
const TAKEN = 'Conflict. The container name "/web.1.t1" is already in use by container "c0ffee".';

describe('a name that is taken', () => {
  it('is that of our own container, made before a crash', async () => {
    const state = { Status: 'created', Running: false, ExitCode: 0, Error: '' };
    server.answers['/containers/web.1.t1/json'] = { json: { Id: 'c0ffee', State: state, NetworkSettings: {} } };
    expect(await prepared(TAKEN)).toMatchObject({ container: { kind: 'created', id: 'c0ffee' } });
  });

  it('by no container is waited for: the engine is still making it, on a request that was given up', async () => {
    await expect(prepared(TAKEN)).rejects.toMatchObject({
      code: 'engine-stuck',
      message: expect.stringContaining('has not finished making web.1.t1 yet'),
    });
  });

  it('is not the only conflict there is', async () => {
    await expect(prepared('conflicting options: hostname')).rejects.toMatchObject({ code: 'engine-refused' });
  });
});
