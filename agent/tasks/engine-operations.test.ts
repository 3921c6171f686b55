import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createEngine, type Engine } from '#agent/engine/engine.ts';
import { EngineServer } from '#agent/engine/engine-server.fixture.ts';
import { silentLogger } from '#base/log.ts';
import { TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { createEngineOperations } from './engine-operations.ts';

let scope: AsyncDisposableStack;
let engine: Engine;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'netd-operations-'));
  scope.defer(() => rm(directory, { recursive: true }));
  const server = scope.use(new EngineServer(join(directory, 'engine.sock')));
  await server.start();
  engine = createEngine(server.address);
  scope.defer(engine.close);
});
afterEach(() => scope.disposeAsync());

const noPlace = async () => {
  throw new Error('secrets cannot be kept in memory');
};
const resolved = (name: string) => {
  const payloads = { directory: () => '/run/netd/tasks/t1', reserve: noPlace, fill: noPlace, remove: noPlace };
  const node = () => ({ id: 'n1', hostname: 'host', platform: { architecture: 'x86_64', os: 'linux' } });
  const task = {
    id: 't1',
    annotations: { name },
    spec: { runtime: { case: 'container', value: { image: 'app' } } },
  } as const;
  const overlays = { ready: async () => {}, drain: async () => {} };
  return createEngineOperations({ engine, overlays, node, payloads, log: silentLogger }).resolve(
    create(TaskSchema, task),
  );
};

it('removes a task without secrets on a host that has no place for any', async () => {
  await expect(resolved('web.1.t1').remove()).resolves.toBeUndefined();
});

it.each(['a b', 'ü', 'a/../b', 'a?b'])('asks the engine for a container called %s and nothing else', async (name) => {
  expect(await resolved(name).observe()).toMatchObject({ container: { kind: 'absent' } });
});
