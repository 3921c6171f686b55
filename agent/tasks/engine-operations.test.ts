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
let engine: Engine;
let server: EngineServer;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'netd-operations-'));
  scope.defer(() => rm(directory, { recursive: true }));
  server = scope.use(new EngineServer(join(directory, 'engine.sock')));
  await server.start();
  engine = createEngine(server.address);
  scope.defer(engine.close);
});
afterEach(() => scope.disposeAsync());

interface Wanted {
  readonly name: string;
  readonly image: string;
  readonly preferOfflineImage?: boolean;
  readonly reserve?: () => Promise<void>;
}

const noPlace = async () => {
  throw new Error('secrets cannot be kept in memory');
};
const resolved = (name: string) => operationsOn({ name, image: 'app' });
const operationsOn = ({ name, image, preferOfflineImage = false, reserve = noPlace }: Wanted) => {
  const payloads = { directory: () => '/run/netd/tasks/t1', reserve, fill: noPlace, remove: noPlace };
  const node = () => ({ id: 'n1', hostname: 'host', platform: { architecture: 'x86_64', os: 'linux' } });
  const task = {
    id: 't1',
    annotations: { name },
    spec: { runtime: { case: 'container', value: { image } } },
  } as const;
  const overlays = { ready: async () => {}, drain: async () => {} };
  const options = { engine, overlays, node, payloads, preferOfflineImage, log: silentLogger };
  return createEngineOperations(options).resolve(create(TaskSchema, task));
};

it('removes a task without secrets on a host that has no place for any', async () => {
  await expect(resolved('web.1.t1').remove()).resolves.toBeUndefined();
});

it.each(['a b', 'ü', 'a/../b', 'a?b'])('asks the engine for a container called %s and nothing else', async (name) => {
  expect(await resolved(name).observe()).toMatchObject({ container: { kind: 'absent' } });
});

describe('an image', () => {
  const absent = { status: 404, text: '{"message":"No such image: app:1"}' };
  const prepareWithout = async (image: string, preferOfflineImage: boolean) => {
    server.answers['/images/create'] = { status: 500, text: '{"message":"no route to the registry"}' };
    server.answers['/containers/create'] = absent;
    const task = operationsOn({ name: 'web.1.t1', image, preferOfflineImage, reserve: async () => {} });
    await expect(task.prepare(new AbortController().signal, () => {})).rejects.toThrow('No such image: app:1');
  };
  const askedFor = async (image: string, preferOfflineImage: boolean) => {
    await prepareWithout(image, preferOfflineImage);
    return server.requests.filter((path) => path !== '/version');
  };
  const digest = `sha256:${'ab'.repeat(32)}`;

  it('is pulled, and asked of the engine all the same when that fails', async () => {
    expect(await askedFor('app:1', false)).toEqual(['/images/create', '/images/app:1/json', '/containers/create']);
  });

  it('that can be had nowhere is known at once, however many containers the engine has to start', async () => {
    server.answers['/containers/busy/start'] = 'silence';
    const busy = Promise.allSettled(Array.from({ length: 500 }, () => engine.startContainer('busy')));
    await prepareWithout('app:1', false);
    await server.stop();
    await busy;
  });

  it.each(['app:1', `app@${digest}`, digest])('%s is not pulled where local ones are preferred', async (image) => {
    expect(await askedFor(image, true)).toEqual(['/containers/create']);
  });
});
