import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  type CallOptions,
  type Client,
  type ClientUnaryCall,
  Metadata,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/grpc-js';

/**
 * protobuf-es messages over grpc-js: one typed function for each kind of call SwarmKit has. Failures are grpc-js
 * `ServiceError`s (with `code` and `details`); an aborted call rejects with `signal.reason`.
 */

type MethodOf<Kind extends DescMethod['methodKind'], I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly methodKind: Kind;
  readonly input: I;
  readonly output: O;
};

export interface CallLimits {
  /** Longest time the whole call may take, in milliseconds; without it the call has no deadline. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One request, one response. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: MethodOf<'unary', I, O>,
  request: MessageInitShape<I>,
  limits: CallLimits = {},
): Promise<MessageShape<O>> {
  const { signal } = limits;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => call.cancel();
    const call: ClientUnaryCall = client.makeUnaryRequest(
      pathOf(method),
      serializer(method.input),
      deserializer(method.output),
      create(method.input, request),
      new Metadata(),
      callOptions(limits),
      (error, response) => {
        signal?.removeEventListener('abort', onAbort);
        if (signal?.aborted) return reject(signal.reason);
        if (error) return reject(error);
        if (response === undefined) return reject(new Error(`${method.name}: no response`));
        resolve(response);
      },
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** One request, a stream of responses. The stream ends when the server ends it; leaving the loop cancels the call. */
export async function* callServerStream<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: MethodOf<'server_streaming', I, O>,
  request: MessageInitShape<I>,
  limits: CallLimits = {},
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const { signal } = limits;
  signal?.throwIfAborted();
  const call = client.makeServerStreamRequest<MessageShape<I>, MessageShape<O>>(
    pathOf(method),
    serializer(method.input),
    deserializer(method.output),
    create(method.input, request),
    new Metadata(),
    callOptions(limits),
  );
  const onAbort = () => call.cancel();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const message of call) yield message as MessageShape<O>;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    call.cancel();
  }
}

/** The writing side of a client stream. */
export interface ClientStream<I extends DescMessage> {
  /** Sends one message; resolves when there is room for the next. Rejects once the call has ended. */
  readonly write: (message: MessageInitShape<I>) => Promise<void>;
  /** Half-closes and waits for the server's verdict. */
  readonly finish: () => Promise<void>;
  readonly cancel: () => void;
}

/** A stream of requests, one response, whose content no SwarmKit client reads. */
export function callClientStream<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: MethodOf<'client_streaming', I, O>,
  limits: CallLimits = {},
): ClientStream<I> {
  const { signal } = limits;
  signal?.throwIfAborted();
  let settle: (error: unknown) => void = () => {};
  /** Writers that wait for room; woken also by the end of a call whose buffer is full, since that never drains. */
  const waiting = new Set<() => void>();
  const state: { ended?: { readonly error: unknown } } = {};
  const throwIfEnded = () => {
    if (state.ended) throw state.ended.error;
  };
  const verdict = new Promise<void>((resolve, reject) => {
    settle = (error) => {
      state.ended = { error: error ?? new Error(`${method.name}: the server has ended the call`) };
      if (error) reject(error);
      else resolve();
      for (const wake of waiting) wake();
    };
  });
  verdict.catch(() => {}); // reported by finish() and write(); nobody may be waiting yet
  const call = client.makeClientStreamRequest<MessageShape<I>, MessageShape<O>>(
    pathOf(method),
    serializer(method.input),
    deserializer(method.output),
    new Metadata(),
    callOptions(limits),
    (error) => settle(signal?.aborted ? signal.reason : error),
  );
  const onAbort = () => call.cancel();
  signal?.addEventListener('abort', onAbort, { once: true });
  const forget = () => signal?.removeEventListener('abort', onAbort);
  verdict.then(forget, forget);
  return {
    write: async (message) => {
      throwIfEnded();
      if (call.write(create(method.input, message))) return;
      throwIfEnded();
      // Not a race with the verdict: a log that is followed for weeks would leave a reaction on it for every wait.
      await new Promise<void>((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          call.off('drain', wake);
          resolve();
        };
        waiting.add(wake);
        call.once('drain', wake);
      });
      throwIfEnded();
    },
    finish: () => {
      call.end();
      return verdict;
    },
    cancel: () => call.cancel(),
  };
}

/** The grpc-js definition of a whole service, for a server. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]));
}

function methodDefinition(method: DescMethod): MethodDefinition<unknown, unknown> {
  return {
    path: pathOf(method),
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: serializer(method.input) as (value: unknown) => Buffer,
    requestDeserialize: deserializer(method.input),
    responseSerialize: serializer(method.output) as (value: unknown) => Buffer,
    responseDeserialize: deserializer(method.output),
  };
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function serializer<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserializer<D extends DescMessage>(schema: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(schema, bytes);
}

function callOptions(limits: CallLimits): CallOptions {
  return limits.timeoutMs === undefined ? {} : { deadline: Date.now() + limits.timeoutMs };
}
