import { describe, expect, it } from 'vitest';
import type { PublishLogsMessageSchema } from '#proto/gen/swarmkit/logbroker_pb.js';
import type { ClientStream } from '#proto/grpc.ts';
import type { LogMessageInit } from './log-batches.ts';
import { createPublisher } from './publisher.ts';

/** A call whose writes are let through one by one. */
function scriptedCall() {
  const written: string[] = [];
  const pending: { readonly accept: () => void; readonly fail: (error: Error) => void }[] = [];
  const stream: ClientStream<typeof PublishLogsMessageSchema> = {
    write: ({ close, messages = [], subscriptionId }) => {
      written.push(
        close ? `close ${subscriptionId}` : messages.map(({ data }) => Buffer.from(data ?? []).toString()).join(),
      );
      return new Promise((resolve, reject) => pending.push({ accept: resolve, fail: reject }));
    },
    finish: async () => {
      written.push('half-close');
      throw Object.assign(new Error('12 UNIMPLEMENTED: No message received'), { code: 12 });
    },
    cancel: () => {},
  };
  return { stream, written, pending };
}

const message = (name: string): LogMessageInit[] => [{ data: Buffer.from(name) }];
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a publisher', () => {
  it('writes one message at a time, close last, and takes any result for good', async () => {
    const { stream, written, pending } = scriptedCall();
    const publisher = createPublisher(stream, 'sub');
    const done = Promise.all([publisher.send(message('a')), publisher.send(message('b')), publisher.close()]);
    const steps = [['a'], ['a', 'b'], ['a', 'b', 'close sub']];
    for (const [i, step] of steps.entries()) {
      await settled();
      expect(written).toEqual(step);
      pending[i]?.accept();
    }
    await done;
    expect(written.at(-1)).toBe('half-close');
  });

  it('tells each sender of the failure', async () => {
    const { stream, written, pending } = scriptedCall();
    const publisher = createPublisher(stream, 'sub');
    const first = publisher.send(message('a'));
    const second = publisher.send(message('b'));
    await settled();
    pending[0]?.fail(new Error('5 NOT_FOUND'));
    await expect(first).rejects.toThrow('NOT_FOUND');
    await settled();
    pending[1]?.fail(new Error('5 NOT_FOUND'));
    await expect(second).rejects.toThrow('NOT_FOUND');
    expect(written).toHaveLength(2);
  });
});
