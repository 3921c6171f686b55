import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssignmentsFrameSchema } from '#proto/gen/swarmkit/assignments_frame_pb.js';
import {
  AssignmentChange_AssignmentAction as Action,
  type AssignmentsMessage,
  AssignmentsMessageSchema,
  AssignmentsMessage_Type as Type,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import { SecretSchema, TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { change } from '#test/fake-manager/assignment-set.ts';
import { decodeFrame } from './assignments-stream.ts';

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
