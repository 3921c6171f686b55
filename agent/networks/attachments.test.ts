import { create } from '@bufbuild/protobuf';
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#base/log.ts';
import { type TaskRecord, TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import {
  type AttachNetworkRequest,
  AttachNetworkResponseSchema,
  type DetachNetworkRequest,
  DetachNetworkResponseSchema,
  ResourceAllocator,
} from '#proto/gen/swarmkit/resource_pb.js';
import { TaskSchema, TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { serviceDefinition } from '#proto/grpc.ts';
import { eventually } from '#test/fake-manager/eventually.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { type Attachments, createAttachments } from './attachments.ts';

/** The task a manager makes of a container that asks. */
const task = create(TaskSchema, {
  id: 'task1',
  spec: { runtime: { case: 'attachment', value: { containerId: 'endpoint1' } } },
  networks: [{ network: { id: 'net1' }, addresses: ['10.0.1.6/24'] }],
});
/** Another one for the same endpoint: the engine has asked again, and so has netd. */
const twin = create(TaskSchema, {
  id: 'task2',
  spec: { runtime: { case: 'attachment', value: { containerId: 'endpoint1' } } },
  networks: [{ network: { id: 'net1' }, addresses: ['10.0.1.7/24'] }],
});

let server: Server;
let client: Client;
let clock: VirtualClock;
let attachments: Attachments;
/** Addresses by endpoint. */
let endpoints: Map<string, string>;
let disconnected: string[];
/** Whether the managers keep questions, and answer none. */
let silent: boolean;
/** Whether the engine does what it is asked. */
let lets: boolean;
let records: readonly TaskRecord[];
let asked: AttachNetworkRequest[];
let returned: string[];
let refusal: { code: number; details: string } | undefined;
/** Ends the session. */
let session: AbortController;

beforeEach(async () => {
  records = [task, twin].map((one) => create(TaskRecordSchema, { task: one }));
  silent = false;
  asked = [];
  returned = [];
  refusal = undefined;
  endpoints = new Map();
  disconnected = [];
  lets = true;
  server = new Server();
  server.addService(serviceDefinition(ResourceAllocator), {
    attachNetwork: (call: ServerUnaryCall<AttachNetworkRequest, unknown>, reply: sendUnaryData<unknown>) => {
      asked.push(call.request);
      if (!silent) reply(refusal ?? null, create(AttachNetworkResponseSchema, { attachmentId: 'task1' }));
    },
    detachNetwork: (call: ServerUnaryCall<DetachNetworkRequest, unknown>, reply: sendUnaryData<unknown>) => {
      returned.push(call.request.attachmentId);
      reply(refusal ?? null, create(DetachNetworkResponseSchema));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  clock = new VirtualClock();
  attachments = createAttachments({
    addressOf: (id) => endpoints.get(id),
    disconnect: async (_, id) => {
      disconnected.push(id);
      if (lets) endpoints.delete(id);
    },
    tasks: () => records,
    mark: () => {},
    ready: async () => {},
    clock,
    log: silentLogger,
  });
  begin();
});
afterEach(async () => {
  await attachments.close();
  client.close();
  server.forceShutdown();
});

const begin = () => {
  session = new AbortController();
  attachments.setClient(client, session.signal);
};
const end = () => session.abort(new Error('the session has ended'));
const moves = (of = task) => {
  const resolved = attachments.resolve(of);
  if (resolved === undefined) throw new Error('unreachable: it is an attachment');
  return resolved;
};
const kind = async (of = task) => (await moves(of).observe()).container.kind;
const never = new AbortController().signal;

describe('a container that asks for a place', () => {
  it('gets the address that comes with the task', async () => {
    const place = attachments.attach('app', 'endpoint1');
    await eventually(() => asked.length === 1, 'a manager is asked');
    expect(asked).toMatchObject([{ config: { target: 'app' }, containerId: 'endpoint1' }]);
    const resolved = moves();
    expect((await resolved.observe()).container.kind).toBe('absent');
    expect((await resolved.prepare(never, () => {})).container.kind).toBe('created');
    await resolved.start('');
    expect(await place).toEqual({ networkId: 'net1', address: '10.0.1.6/24', mac: undefined });
    expect((await resolved.observe()).container.kind).toBe('running'); // the endpoint is being made
    endpoints.set('endpoint1', '10.0.1.6/24');
    expect((await resolved.observe()).container.kind).toBe('running');
    endpoints.delete('endpoint1');
    attachments.detach('endpoint1');
    await eventually(() => returned.length === 2, 'it is given back, and what may have been got besides');
    expect((await resolved.observe()).container).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(returned.sort()).toEqual(['task1', 'task2']);
  });

  it.each([
    [5, 'app', 'the swarm has no network app'],
    [5, 'l8wi8uv39ew7mhiy1s8dws36f', 'l8wi8uv39ew7mhiy1s8dws36f, is gone from the swarm'],
    [7, 'app', 'network app is not attachable: only services can use it'],
    [3, 'app', 'the managers gave no address on app'],
  ])('is told why it gets none: code %d on %s', async (code, network, words) => {
    refusal = { code, details: 'no' };
    await expect(attachments.attach(network, 'endpoint1')).rejects.toThrow(words);
  });

  it('does not wait without end, and what comes too late goes back', async () => {
    const place = attachments.attach('app', 'endpoint1');
    place.catch(() => {});
    await eventually(() => asked.length === 1, 'a manager is asked');
    await clock.advance(21_000);
    await expect(place).rejects.toThrow('the managers gave no address on app within 20 s');
    await eventually(() => returned.includes('task1'), 'it is given back');
    await expect(moves().start('')).rejects.toThrow('the container does not wait for its network any more');
  });

  it('is asked for in the session that comes, and not without end where none does', async () => {
    end();
    const place = attachments.attach('app', 'endpoint1');
    begin();
    await eventually(() => asked.length === 1, 'a manager is asked');
    await moves().prepare(never, () => {});
    await moves().start('');
    expect(await place).toMatchObject({ address: '10.0.1.6/24' });
    end();
    const late = attachments.attach('app', 'endpoint2');
    late.catch(() => {});
    await clock.advance(21_000);
    await expect(late).rejects.toMatchObject({
      code: 'attach-timeout',
      cause: { code: 'no-session' },
      mend: expect.stringContaining('netd status'),
    });
  });

  it.each([
    ['the managers have no leader for a moment', () => {}],
    [
      'the session ends',
      () => {
        end();
        begin();
      },
    ],
  ])('is asked for again when %s', async (_, then) => {
    refusal = { code: 14, details: 'no leader' };
    const place = attachments.attach('app', 'endpoint1');
    await eventually(() => asked.length === 1, 'a manager is asked');
    refusal = undefined;
    then();
    await eventually(async () => {
      await clock.advance(100);
      return asked.length === 2;
    }, 'a manager is asked again');
    await moves().prepare(never, () => {});
    await moves().start('');
    expect(await place).toMatchObject({ address: '10.0.1.6/24' });
  });

  it('takes the place of a question whose session ended, and gives back the one of the second question', async () => {
    silent = true;
    const place = attachments.attach('app', 'endpoint1');
    await eventually(() => asked.length === 1, 'a manager is asked');
    end();
    begin();
    await eventually(() => asked.length === 2, 'the managers are asked again');
    await moves().prepare(never, () => {});
    await moves().start('');
    expect(await place).toMatchObject({ address: '10.0.1.6/24' });
    expect(await kind()).toBe('running'); // the endpoint is being made
    expect(await kind(twin)).toBe('exited');
    await expect(moves(twin).start('')).rejects.toThrow('the container has a place');
    await eventually(() => returned.length === 1, 'it is given back');
    expect(returned).toEqual(['task2']);
  });
});

describe('a place found after a restart', () => {
  it('is kept while its endpoint is there', async () => {
    endpoints.set('endpoint1', '10.0.1.6/24');
    expect(await kind()).toBe('running');
    expect(returned).toEqual([]);
  });

  it('goes back, once a session, when its endpoint is gone', async () => {
    expect(await kind()).toBe('exited');
    expect(await kind()).toBe('exited');
    await eventually(() => returned.length === 1, 'it is given back');
    end();
    begin();
    expect(await kind()).toBe('exited');
    await eventually(() => returned.length === 2, 'it is given back again');
  });
});

describe('a place that is not used any more goes back', () => {
  it('in the next session, when there was none', async () => {
    endpoints.set('endpoint1', '10.0.1.6/24');
    end();
    endpoints.delete('endpoint1');
    attachments.detach('endpoint1');
    expect(await kind()).toBe('exited');
    begin();
    await eventually(() => returned.includes('task1'), 'it is given back');
  });

  it('at the start of netd, when it was over before and nobody has looked', async () => {
    const status = { state: TaskState.COMPLETE };
    records = [create(TaskRecordSchema, { task, status }), create(TaskRecordSchema, { task: twin, status })];
    endpoints.set('endpoint1', '10.0.1.7/24');
    end();
    begin();
    await eventually(() => returned.length === 1, 'it is given back');
    expect(returned).toEqual(['task1']);
  });

  it('again when the managers did not take it, and once when they know no such place', async () => {
    refusal = { code: 14, details: 'no leader' };
    expect(await kind()).toBe('exited');
    await eventually(() => returned.length === 1, 'it is tried');
    refusal = { code: 5, details: 'not found' };
    await eventually(() => returned.length === 2, 'it is tried again');
    expect(await kind()).toBe('exited');
    expect(await kind(twin)).toBe('exited');
    await eventually(() => returned.length === 3, 'the next one is given back');
    expect(returned).toEqual(['task1', 'task1', 'task2']);
  });
});

describe('an address that the managers take back', () => {
  it.each(['stop', 'remove'] as const)('is taken off the container: %s', async (move) => {
    endpoints.set('endpoint1', '10.0.1.6/24');
    lets = false;
    await expect(moves()[move]('')).rejects.toThrow('endpoint endpoint1 still has the address of task task1');
    lets = true;
    await moves()[move]('');
    expect(disconnected).toEqual(['endpoint1', 'endpoint1']);
    expect(await kind()).toBe('exited');
  });

  it('that came twice for one endpoint goes back once', async () => {
    endpoints.set('endpoint1', '10.0.1.6/24');
    const second = attachments.resolve(twin);
    expect((await second?.observe())?.container.kind).toBe('exited');
    await eventually(() => returned.length === 1, 'it is given back');
    await second?.remove(); // the managers have taken it away then
    expect(disconnected).toEqual([]);
    expect(await kind()).toBe('running');
    expect(returned).toEqual(['task2']);
  });
});

it('leaves other tasks to others', () => {
  expect(
    attachments.resolve(create(TaskSchema, { id: 'x', spec: { runtime: { case: 'container', value: {} } } })),
  ).toBe(undefined);
});
