import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dispatcher } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { LogBroker } from '#proto/gen/swarmkit/logbroker_pb.js';
import { NodeStatus_State as NodeState } from '#proto/gen/swarmkit/types_pb.js';
import { callClientStream, callServerStream, callUnary } from '#proto/grpc.ts';
import { eventually } from '#test/fake-manager/eventually.ts';
import { FakeManagers } from '#test/fake-manager/managers.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';

let clock: VirtualClock;
let managers: FakeManagers;
let scope: AbortController;

beforeEach(async () => {
  clock = new VirtualClock();
  scope = new AbortController();
  managers = await FakeManagers.start(1, { clock, batchMs: 0, random: () => 0.5 });
});
afterEach(async () => {
  scope.abort(new Error('the test is over'));
  await managers[Symbol.asyncDispose]();
});

describe('the fake manager, on its own clock', () => {
  it('gives a node three periods between heartbeats', async () => {
    const worker = managers.worker();
    const client = await managers.dial(worker);
    const stateOf = () => managers.swarm.nodes.get(worker.nodeId)?.status?.state;
    try {
      const limits = { signal: scope.signal };
      const { value } = await callServerStream(client, Dispatcher.method.session, {}, limits).next();
      const sessionId = value?.sessionId ?? '';
      await clock.advance(14_999);
      await callUnary(client, Dispatcher.method.heartbeat, { sessionId }, limits);
      await clock.advance(14_999);
      expect(stateOf()).toBe(NodeState.READY);
      await clock.advance(1);
      expect(stateOf()).toBe(NodeState.DOWN);
      const late = callUnary(client, Dispatcher.method.heartbeat, { sessionId }, limits);
      await expect(late).rejects.toMatchObject({ code: status.NOT_FOUND });
    } finally {
      client.close();
    }
  });
});

describe('the fake log broker', () => {
  it('subscribes, collects, and ends a stream as managers do', async () => {
    const worker = managers.worker();
    const client = await managers.dial(worker);
    const limits = { signal: scope.signal };
    try {
      const before = managers.logs.subscribe({ options: { tail: -1n } });
      const stream = callServerStream(client, LogBroker.method.listenSubscriptions, {}, limits);
      expect((await stream.next()).value?.id).toBe(before.message.id);
      const after = managers.logs.subscribe({});
      expect((await stream.next()).value?.id).toBe(after.message.id);

      const publish = callClientStream(client, LogBroker.method.publishLogs, limits);
      const { id: subscriptionId } = before.message;
      const context = { nodeId: worker.nodeId };
      await publish.write({ subscriptionId, messages: [{ context, data: Buffer.from('line\n') }] });
      await publish.write({ subscriptionId, close: true });
      await expect(publish.finish()).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
      expect(before.messages.map(({ data }) => Buffer.from(data).toString())).toEqual(['line\n']);
      expect(before.ended.get(worker.nodeId)).toBe('closed');

      managers.logs.unsubscribe(after.message.id);
      expect((await stream.next()).value).toMatchObject({ id: after.message.id, close: true });
    } finally {
      client.close();
    }
  });

  it('refuses the lines of another node and subscriptions it does not know', async () => {
    const worker = managers.worker();
    const client = await managers.dial(worker);
    const limits = { signal: scope.signal };
    try {
      const { message } = managers.logs.subscribe({});
      const refusals = [
        [{ subscriptionId: message.id, messages: [{ context: { nodeId: 'other' } }] }, status.PERMISSION_DENIED],
        [{ subscriptionId: 'unknown' }, status.NOT_FOUND],
        [{}, status.INVALID_ARGUMENT],
      ] as const;
      for (const [init, code] of refusals) {
        const publish = callClientStream(client, LogBroker.method.publishLogs, limits);
        await publish.write({ ...init } as Parameters<typeof publish.write>[0]);
        await expect(publish.finish()).rejects.toMatchObject({ code });
      }
    } finally {
      client.close();
    }
  });

  it('notices a stream that ends without a word', async () => {
    const worker = managers.worker();
    const client = await managers.dial(worker);
    try {
      const subscription = managers.logs.subscribe({});
      const publish = callClientStream(client, LogBroker.method.publishLogs, { signal: scope.signal });
      await publish.write({ subscriptionId: subscription.message.id });
      await publish.finish().catch(() => {}); // as above
      await eventually(() => subscription.ended.get(worker.nodeId) === 'broken', 'the end is noticed');
    } finally {
      client.close();
    }
  });
});
