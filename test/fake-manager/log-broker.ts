import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ServerReadableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import { systemClock } from '#base/clock.ts';
import { newSwarmId } from '#base/ids.ts';
import {
  type ListenSubscriptionsRequestSchema,
  LogBroker,
  type LogMessage,
  type PublishLogsMessage,
  type PublishLogsResponse,
  type SubscriptionMessage,
  SubscriptionMessageSchema,
} from '#proto/gen/swarmkit/logbroker_pb.js';
import type { FakeCa } from './ca.ts';
import { authorizedNode, type CallGuard, type Outgoing, outgoing } from './calls.ts';
import { Faults } from './faults.ts';
import { asRefusal, refusal } from './refusal.ts';
import type { FakeService } from './server.ts';
import type { FakeSwarm } from './swarm.ts';

/** One `docker service logs` as the leader carries it out. */
export interface FakeSubscription {
  readonly message: SubscriptionMessage;
  /** Everything published, in the order it came. */
  readonly messages: LogMessage[];
  /** How each node has ended: with a close message, or without. */
  readonly ended: Map<string, 'closed' | 'broken'>;
}

/** The LogBroker of a swarm's leader (spec swarmkit-worker §2.5, §6). */
export class FakeLogBroker {
  readonly faults = new Faults();
  readonly subscriptions = new Map<string, FakeSubscription>();
  readonly #listeners = new Map<string, Outgoing<SubscriptionMessage>>();
  readonly #guard: CallGuard;

  constructor(ca: FakeCa, swarm: FakeSwarm) {
    this.#guard = { ca, swarm, faults: this.faults, clock: systemClock };
  }

  services(): FakeService[] {
    return [
      [
        LogBroker,
        {
          listenSubscriptions: outgoing<typeof ListenSubscriptionsRequestSchema, SubscriptionMessage>(
            this.#guard,
            'listenSubscriptions',
            this.#listen,
          ),
          publishLogs: this.#publish,
        },
      ],
    ];
  }

  /** Nodes that can be asked for logs now. */
  get listening(): readonly string[] {
    return [...this.#listeners.keys()];
  }

  subscribe(init: Omit<MessageInitShape<typeof SubscriptionMessageSchema>, 'id' | '$typeName'>): FakeSubscription {
    const message = create(SubscriptionMessageSchema, { ...init, id: newSwarmId() });
    const subscription: FakeSubscription = { message, messages: [], ended: new Map() };
    this.subscriptions.set(message.id, subscription);
    this.#tell(message);
    return subscription;
  }

  /** The user has gone, or has seen enough. */
  unsubscribe(id: string): void {
    if (!this.subscriptions.delete(id)) return;
    this.#tell(create(SubscriptionMessageSchema, { id, close: true }));
  }

  #tell(message: SubscriptionMessage): void {
    for (const listener of this.#listeners.values()) listener.send(message).catch(() => {}); // a stream that has ended
  }

  readonly #listen = async (stream: Outgoing<SubscriptionMessage>) => {
    this.#listeners.set(stream.nodeId, stream);
    try {
      for (const { message } of this.subscriptions.values()) await stream.send(message);
      await new Promise((_, reject) => {
        if (stream.signal.aborted) return reject(stream.signal.reason);
        stream.signal.addEventListener('abort', () => reject(stream.signal.reason), { once: true });
      });
    } finally {
      if (this.#listeners.get(stream.nodeId) === stream) this.#listeners.delete(stream.nodeId);
    }
  };

  readonly #publish = (
    call: ServerReadableStream<PublishLogsMessage, PublishLogsResponse>,
    reply: sendUnaryData<PublishLogsResponse>,
  ) => {
    this.#collect(call).then(
      // A manager ends the call with OK and no response, which grpc-js can only be told as an error with code 0.
      () => reply({ code: status.OK, details: '' }),
      (error: unknown) => reply(asRefusal(error)),
    );
  };

  async #collect(call: ServerReadableStream<PublishLogsMessage, PublishLogsResponse>): Promise<void> {
    const fault = this.faults.take('publishLogs');
    if (fault?.kind === 'refuse') throw refusal(fault.code, fault.details);
    const nodeId = authorizedNode(this.#guard, call as ServerReadableStream<unknown, unknown>);
    let subscription: FakeSubscription | undefined;
    let closed = false;
    try {
      for await (const message of call as AsyncIterable<PublishLogsMessage>) {
        subscription ??= this.#known(message.subscriptionId);
        if (message.subscriptionId !== subscription.message.id) {
          throw refusal(status.INVALID_ARGUMENT, 'different subscription IDs in the same session');
        }
        closed = message.close;
        if (closed) break; // what comes with it is dropped
        for (const log of message.messages) {
          if (log.context?.nodeId !== nodeId) {
            throw refusal(status.PERMISSION_DENIED, `invalid NodeID ${log.context?.nodeId}`);
          }
          subscription.messages.push(log);
        }
      }
    } finally {
      subscription?.ended.set(nodeId, closed ? 'closed' : 'broken');
    }
  }

  #known(id: string): FakeSubscription {
    if (id === '') throw refusal(status.INVALID_ARGUMENT, 'missing subscription ID');
    const subscription = this.subscriptions.get(id);
    if (!subscription) throw refusal(status.NOT_FOUND, 'unknown subscription ID');
    return subscription;
  }
}
