import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import {
  type Client,
  status as Code,
  credentials,
  Client as GrpcClient,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import {
  type ListenSubscriptionsRequest,
  LogBroker,
  type LogMessage,
  type PublishLogsMessage,
  type PublishLogsResponse,
  type SubscriptionMessage,
  SubscriptionMessageSchema,
} from '#proto/gen/swarmkit/logbroker_pb.js';
import { serviceDefinition } from '#proto/grpc.ts';

/** What came over one PublishLogs call. */
export interface Publication {
  readonly subscriptionId: string;
  readonly batches: (readonly LogMessage[])[];
  /** `closed`: by the close message, as it should be; `cut`: without one; `refused`: the broker found something wrong. */
  end?: 'closed' | 'cut' | 'refused';
}

/** A manager's log broker on loopback: it holds workers to what a real one does, and reads as slowly as it is told. */
export class FakeBroker implements AsyncDisposable {
  readonly nodeId = 'node1';
  readonly publications: Publication[] = [];
  /** Breaches of the protocol a real manager would not forgive. */
  readonly breaches: string[] = [];
  readonly #server = new Server();
  readonly #listeners = new Set<ServerWritableStream<ListenSubscriptionsRequest, SubscriptionMessage>>();
  readonly #known = new Set<string>();
  #port = 0;
  #reading: Promise<void> = Promise.resolve();

  static async listen(options: { logBroker?: boolean } = {}): Promise<FakeBroker> {
    const broker = new FakeBroker();
    if (options.logBroker !== false) {
      broker.#server.addService(serviceDefinition(LogBroker), {
        listenSubscriptions: broker.#listen,
        publishLogs: broker.#publish,
      });
    }
    broker.#port = await new Promise<number>((resolve, reject) => {
      broker.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
    return broker;
  }

  connect(): Client {
    return new GrpcClient(`127.0.0.1:${this.#port}`, credentials.createInsecure());
  }

  /** Workers that listen now. */
  get listening(): number {
    return this.#listeners.size;
  }

  /** PublishLogs calls for one subscription. */
  of(subscriptionId: string): readonly Publication[] {
    return this.publications.filter((publication) => publication.subscriptionId === subscriptionId);
  }

  /** Data of all messages of a subscription, in order. */
  lines(subscriptionId: string): readonly string[] {
    return this.messages(subscriptionId).map(({ data }) => Buffer.from(data).toString());
  }

  messages(subscriptionId: string): readonly LogMessage[] {
    return this.of(subscriptionId).flatMap(({ batches }) => batches.flat());
  }

  subscribe(message: MessageInitShape<typeof SubscriptionMessageSchema>): void {
    this.#known.add(message.id ?? '');
    this.send(message);
  }

  /** What the user's Ctrl-C leads to. */
  close(id: string): void {
    this.#known.delete(id);
    this.send({ id, close: true });
  }

  /** Forgets a subscription without telling anybody. */
  forget(id: string): void {
    this.#known.delete(id);
  }

  send(message: MessageInitShape<typeof SubscriptionMessageSchema>): void {
    for (const listener of this.#listeners) listener.write(create(SubscriptionMessageSchema, message));
  }

  /** Ends every stream of subscriptions with an error. */
  stop(code: Code, details: string): void {
    for (const listener of this.#listeners) listener.emit('error', { code, details });
  }

  /** Ends every stream of subscriptions in order. */
  endListening(): void {
    for (const listener of this.#listeners) listener.end();
  }

  /** Takes nothing more out of the connection until the returned function is called. */
  stall(): () => void {
    let go: () => void = () => {};
    this.#reading = new Promise((resolve) => {
      go = resolve;
    });
    return go;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  #listen: handleServerStreamingCall<ListenSubscriptionsRequest, SubscriptionMessage> = (call) => {
    this.#listeners.add(call);
    const gone = () => this.#listeners.delete(call);
    call.on('cancelled', gone);
    call.on('close', gone);
    call.on('error', gone);
  };

  #publish: handleClientStreamingCall<PublishLogsMessage, PublishLogsResponse> = (call, respond) => {
    void this.#take(call).then(respond);
  };

  /** The verdict; a real manager ends a good call with status OK and without a message. */
  async #take(call: ServerReadableStream<PublishLogsMessage, PublishLogsResponse>): Promise<{
    readonly code: Code;
    readonly details: string;
  }> {
    let publication: Publication | undefined;
    const refuse = (code: Code, details: string) => {
      this.breaches.push(details);
      if (publication) publication.end = 'refused';
      return { code, details };
    };
    try {
      for await (const message of call as AsyncIterable<PublishLogsMessage>) {
        await this.#reading;
        if (!publication) {
          if (!this.#known.has(message.subscriptionId))
            return { code: Code.NOT_FOUND, details: 'unknown subscription ID' };
          publication = { subscriptionId: message.subscriptionId, batches: [] };
          this.publications.push(publication);
        }
        if (message.subscriptionId !== publication.subscriptionId) return refuse(Code.INVALID_ARGUMENT, 'another id');
        if (message.close) {
          if (message.messages.length > 0) this.breaches.push('messages together with close are dropped');
          publication.end = 'closed';
          return { code: Code.OK, details: '' };
        }
        if (message.messages.some(({ context }) => context?.nodeId !== this.nodeId)) {
          return refuse(Code.PERMISSION_DENIED, 'node id does not match');
        }
        publication.batches.push(message.messages);
      }
    } catch {
      // cancelled
    }
    if (publication) publication.end = 'cut';
    return { code: Code.OK, details: '' };
  }
}
