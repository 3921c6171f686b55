import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { silentLogger } from '#base/log.ts';
import { AssignmentsFrameSchema } from '#proto/gen/swarmkit/assignments_frame_pb.js';
import {
  AssignmentChange_AssignmentAction as Action,
  type AssignmentsMessage,
  AssignmentsMessageSchema,
  Dispatcher,
  AssignmentsMessage_Type as Type,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import { SecretSchema, TaskSchema, VolumeAssignmentSchema } from '#proto/gen/swarmkit/types_pb.js';
import { serviceDefinition } from '#proto/grpc.ts';
import { change } from '#test/fake-manager/assignment-set.ts';
import { createAssignments } from './assignments.ts';
import { decodeFrame, runAssignments } from './assignments-stream.ts';

const quiet = new AbortController().signal;
const frameOf = (message: AssignmentsMessage) =>
  fromBinary(AssignmentsFrameSchema, toBinary(AssignmentsMessageSchema, message));

describe('decodeFrame', () => {
  it('reads any message as one decoded whole', async () => {
    const item = fc.oneof(
      fc.string().map((id) => change(Action.UPDATE, { case: 'task', value: create(TaskSchema, { id }) })),
      fc.string().map((id) => change(Action.REMOVE, { case: 'task', value: create(TaskSchema, { id }) })),
      fc
        .uint8Array({ maxLength: 200_000 })
        .map((data) =>
          change(Action.UPDATE, { case: 'secret', value: create(SecretSchema, { id: 's', spec: { data } }) }),
        ),
      fc.constant(change(7 as Action, { case: undefined })),
    );
    const message = fc.record({
      type: fc.constantFrom(Type.COMPLETE, Type.INCREMENTAL, 9 as Type),
      appliesTo: fc.string(),
      resultsIn: fc.string(),
      changes: fc.array(item, { maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(message, async (init) => {
        const bytes = toBinary(AssignmentsMessageSchema, create(AssignmentsMessageSchema, init));
        const decoded = await decodeFrame(fromBinary(AssignmentsFrameSchema, bytes), quiet);
        expect(Buffer.compare(toBinary(AssignmentsMessageSchema, decoded), bytes)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  const many = create(AssignmentsMessageSchema, {
    resultsIn: '1',
    changes: Array.from({ length: 1000 }, (_, i) =>
      change(Action.UPDATE, {
        case: 'task',
        value: create(TaskSchema, { id: `t${i}`, annotations: { labels: { padding: 'x'.repeat(2000) } } }),
      }),
    ),
  });

  it('gives everything else its turn while it decodes a thousand tasks', async () => {
    let turns = 0;
    let decoding = true;
    const count = () => {
      turns++;
      if (decoding) setImmediate(count);
    };
    setImmediate(count);
    const { changes } = await decodeFrame(frameOf(many), quiet);
    decoding = false;
    expect(changes).toHaveLength(1000);
    expect(turns).toBeGreaterThan(20);
  });

  it('stops in the middle when its session ends', async () => {
    const scope = new AbortController();
    const decoding = decodeFrame(frameOf(many), scope.signal);
    scope.abort('the session has ended');
    await expect(decoding).rejects.toBe('the session has ended');
  });

  it('fails on a change that is none', async () => {
    const frame = create(AssignmentsFrameSchema, { changes: [Buffer.from([0x0a, 0xff])] });
    await expect(decodeFrame(frame, quiet)).rejects.toThrow();
  });
});

it('ends the session with a manager that never answers what the next assignments wait for', async () => {
  let confirmed = 0;
  const server = new Server();
  server.addService(serviceDefinition(Dispatcher), {
    assignments: (call: ServerWritableStream<unknown, AssignmentsMessage>) => {
      const value = create(VolumeAssignmentSchema, { id: 'v1' });
      const changes = [change(Action.REMOVE, { case: 'volume', value })];
      call.write(create(AssignmentsMessageSchema, { type: Type.COMPLETE, resultsIn: '1', changes }));
    },
    updateVolumeStatus: (_: unknown, _answer: sendUnaryData<unknown>) => {
      confirmed++;
    },
  });
  const port = await new Promise<number>((resolve) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound));
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  try {
    await new Promise((resolve) => client.waitForReady(Date.now() + 10_000, resolve));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const running = runAssignments(client, 's', createAssignments(), () => {}, silentLogger, quiet);
    running.catch(() => {}); // looked at below
    while (confirmed === 0) await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(5001);
    await expect(running).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  } finally {
    vi.useRealTimers();
    client.close();
    server.forceShutdown();
  }
});
