import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AssignmentsMessageSchema,
  Dispatcher,
  type HeartbeatRequest,
  type HeartbeatResponse,
  HeartbeatResponseSchema,
  type SessionMessage,
  SessionMessageSchema,
  type SessionRequest,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import { LogBroker, type PublishLogsMessage, PublishLogsResponseSchema } from '#proto/gen/swarmkit/logbroker_pb.js';
import { callClientStream, callServerStream, callUnary, serviceDefinition } from './grpc.ts';

type Beat = (
  call: ServerUnaryCall<HeartbeatRequest, HeartbeatResponse>,
  reply: sendUnaryData<HeartbeatResponse>,
) => void;
type Talk = (call: ServerWritableStream<SessionRequest, SessionMessage>) => void;
type Publish = (call: ServerReadableStream<PublishLogsMessage, unknown>, reply: sendUnaryData<unknown>) => void;

/** What the server does, set by each test. */
let beat: Beat;
let talk: Talk;
let publish: Publish;
let server: Server;
let client: Client;

beforeEach(async () => {
  server = new Server();
  server.addService(serviceDefinition(Dispatcher), {
    heartbeat: (call: Parameters<Beat>[0], reply: Parameters<Beat>[1]) => beat(call, reply),
    session: (call: Parameters<Talk>[0]) => talk(call),
  });
  server.addService(serviceDefinition(LogBroker), {
    publishLogs: (call: Parameters<Publish>[0], reply: Parameters<Publish>[1]) => publish(call, reply),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });
});

afterEach(() => {
  client.close();
  server.forceShutdown();
});

const message = (sessionId: string) => create(SessionMessageSchema, { sessionId });
const why = new Error('the test wants it so');

describe('callUnary', () => {
  const call = (limits = {}) => callUnary(client, Dispatcher.method.heartbeat, { sessionId: 's' }, limits);

  it('sends the request and returns the response', async () => {
    beat = ({ request }, reply) => {
      expect(request.sessionId).toBe('s');
      reply(null, create(HeartbeatResponseSchema, { period: { seconds: 5n } }));
    };
    expect((await call()).period?.seconds).toBe(5n);
  });

  it("rejects with the server's code and words", async () => {
    beat = (_, reply) => reply({ code: status.NOT_FOUND, details: 'node not registered' });
    await expect(call()).rejects.toMatchObject({ code: status.NOT_FOUND, details: 'node not registered' });
  });

  it('ends at its deadline', async () => {
    beat = () => {}; // never
    await expect(call({ timeoutMs: 30 })).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  it("is cancelled at the server by the signal, and rejects with the signal's reason", async () => {
    const scope = new AbortController();
    const cancelled = new Promise<void>((resolve) => {
      beat = (call) => {
        call.on('cancelled', resolve);
        scope.abort(why);
      };
    });
    await expect(call({ signal: scope.signal })).rejects.toBe(why);
    await cancelled;
  });

  it('does not begin when the signal has aborted already', async () => {
    beat = () => expect.unreachable('the call was made');
    await expect(call({ signal: AbortSignal.abort(why) })).rejects.toBe(why);
  });

  it('leaves no listener on a signal that outlives it', async () => {
    beat = (_, reply) => reply(null, create(HeartbeatResponseSchema));
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    for (let i = 0; i < 3; i++) await call({ signal });
    expect(listeners).toBe(0);
  });

  it('fails a call whose response is no such message', async () => {
    const definition = serviceDefinition(Dispatcher);
    const { heartbeat } = definition;
    if (!heartbeat) throw new Error('no heartbeat');
    const broken = new Server();
    const garbled = { ...heartbeat, responseSerialize: () => Buffer.from([0x0a, 0xff]) };
    broken.addService(
      { heartbeat: garbled },
      { heartbeat: (_: unknown, reply: sendUnaryData<unknown>) => reply(null, {}) },
    );
    const port = await new Promise<number>((resolve) => {
      broken.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound));
    });
    const other = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    try {
      const call = callUnary(other, Dispatcher.method.heartbeat, {});
      await expect(call).rejects.toMatchObject({ code: status.INTERNAL });
    } finally {
      other.close();
      broken.forceShutdown();
    }
  });
});

describe('callServerStream', () => {
  const call = (limits = {}) => callServerStream(client, Dispatcher.method.session, { sessionId: 's' }, limits);
  const collect = async (stream: AsyncIterable<SessionMessage>, into: string[] = []): Promise<string[]> => {
    for await (const { sessionId } of stream) into.push(sessionId);
    return into;
  };

  it('yields every message in order, and ends with the server', async () => {
    const ids = Array.from({ length: 100 }, (_, i) => String(i));
    talk = (call) => {
      for (const id of ids) call.write(message(id));
      call.end();
    };
    expect(await collect(call())).toEqual(ids);
  });

  it('yields what came before an error, then throws it', async () => {
    talk = (call) => {
      for (const id of ['1', '2', '3']) call.write(message(id));
      call.emit('error', { code: status.ABORTED, details: 'node must disconnect' });
    };
    const seen: string[] = [];
    await expect(collect(call(), seen)).rejects.toMatchObject({
      code: status.ABORTED,
      details: 'node must disconnect',
    });
    expect(seen).toEqual(['1', '2', '3']);
  });

  it('cancels the call when its reader leaves the loop', async () => {
    const cancelled = new Promise<void>((resolve) => {
      talk = (call) => {
        call.on('cancelled', resolve);
        call.write(message('1'));
      };
    });
    for await (const { sessionId } of call()) {
      expect(sessionId).toBe('1');
      break;
    }
    await cancelled;
  });

  it('throws the reason of the signal, also while nobody reads', async () => {
    talk = (call) => call.write(message('1'));
    const scope = new AbortController();
    const stream = call({ signal: scope.signal });
    await stream.next();
    scope.abort(why); // between two reads
    await new Promise((resolve) => setImmediate(resolve));
    await expect(stream.next()).rejects.toBe(why);
  });

  it('throws the reason of the signal to a reader that waits', async () => {
    talk = (call) => call.write(message('1'));
    const scope = new AbortController();
    const stream = call({ signal: scope.signal });
    await stream.next();
    const waiting = stream.next();
    scope.abort(why);
    await expect(waiting).rejects.toBe(why);
  });

  it('holds a fast server back while its reader is slow', async () => {
    const big = create(SessionMessageSchema, { rootCa: new Uint8Array(64 * 1024) });
    const most = 500;
    let written = 0;
    talk = async (call) => {
      while (written < most && !call.cancelled) {
        written++;
        if (!call.write(big)) await new Promise((resolve) => call.once('drain', resolve));
      }
    };
    const stream = call();
    await stream.next();
    // The server writes on until the windows are full; when it has stood still for a while, they are.
    for (let before = -1; before !== written; ) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(written).toBeLessThan(most / 2);
    await stream.return(undefined);
  });

  it('takes a flood without keeping others from their turn', async () => {
    const flood = 10_000;
    talk = (call) => {
      for (let i = 0; i < flood; i++) call.write(message('x'));
      call.end();
    };
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const seen = await collect(call());
    clearInterval(timer);
    expect(seen).toHaveLength(flood);
    expect(turns).toBeGreaterThan(1);
  });

  it('takes a message larger than what gRPC takes by default', async () => {
    talk = (call) => {
      call.write(create(SessionMessageSchema, { rootCa: new Uint8Array(9 * 1024 * 1024) }));
      call.end();
    };
    const { value } = await call().next();
    expect(value?.rootCa).toHaveLength(9 * 1024 * 1024);
  });
});

describe('callClientStream', () => {
  const call = (limits = {}) => callClientStream(client, LogBroker.method.publishLogs, limits);
  const line = { subscriptionId: 'sub', messages: [{ data: new Uint8Array(64 * 1024) }] };

  it('delivers what is written and finishes with the verdict', async () => {
    const ids: string[] = [];
    publish = async (stream, reply) => {
      for await (const { subscriptionId } of stream as AsyncIterable<PublishLogsMessage>) ids.push(subscriptionId);
      reply(null, create(PublishLogsResponseSchema));
    };
    const stream = call();
    for (const subscriptionId of ['1', '2', '3']) await stream.write({ subscriptionId });
    await stream.finish();
    expect(ids).toEqual(['1', '2', '3']);
  });

  it('reports OK without a response as managers end it: unimplemented, no message', async () => {
    publish = (stream, reply) => {
      stream.resume();
      stream.on('end', () => reply({ code: status.OK, details: '' }));
    };
    const stream = call();
    await stream.write({ subscriptionId: 'sub', close: true });
    await expect(stream.finish()).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
  });

  it('holds a fast writer back while the server does not read', async () => {
    publish = () => {}; // reads nothing
    const scope = new AbortController();
    const stream = call({ signal: scope.signal });
    let written = 0;
    const writer = (async () => {
      for (; written < 500; written++) await stream.write(line);
    })();
    writer.catch(() => {}); // looked at below
    for (let before = -1; before !== written; ) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(written).toBeLessThan(250);
    scope.abort(why);
    await expect(writer).rejects.toBe(why);
    await expect(stream.write(line)).rejects.toBe(why);
  });

  it('fails a writer that waits when the server refuses', async () => {
    publish = (_, reply) => {
      setTimeout(() => reply({ code: status.NOT_FOUND, details: 'unknown subscription ID' }), 20);
    };
    const stream = call();
    const writer = (async () => {
      for (;;) await stream.write(line);
    })();
    const refused = { code: status.NOT_FOUND, details: 'unknown subscription ID' };
    await expect(writer).rejects.toMatchObject(refused);
    await expect(stream.finish()).rejects.toMatchObject(refused);
  });

  it('can be dropped by cancel without anybody waiting', async () => {
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const cancelled = new Promise<void>((resolve) => {
      publish = (stream) => {
        stream.on('cancelled', resolve);
        begin();
      };
    });
    const stream = call();
    await stream.write({ subscriptionId: 'sub' });
    await begun;
    stream.cancel();
    await cancelled;
  });
});

describe('messages', () => {
  it('keep fields of a newer manager through decoding and encoding', () => {
    // Field 99, a string, beside results_in.
    const bytes = Buffer.from([0x1a, 1, 0x31, 0x9a, 0x06, 3, 0x6e, 0x65, 0x77]);
    const decoded = fromBinary(AssignmentsMessageSchema, bytes);
    expect(decoded.resultsIn).toBe('1');
    expect(Buffer.from(toBinary(AssignmentsMessageSchema, decoded))).toEqual(bytes);
  });

  it('keep fields of a newer manager over the wire', async () => {
    const unknown = [{ no: 99, wireType: 2, data: Buffer.from([3, 0x6e, 0x65, 0x77]) }];
    talk = (call) => {
      call.write({ ...message('s'), $unknown: unknown });
      call.end();
    };
    const stream = callServerStream(client, Dispatcher.method.session, {});
    const { value } = await stream.next();
    expect(value?.$unknown).toMatchObject([{ no: 99 }]);
  });
});
