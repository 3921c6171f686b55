import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type {
  ServerErrorResponse,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { certificateFields, swarmSubject } from '#pki/certificate-der.ts';
import type { FakeCa } from './ca.ts';
import type { Faults, FaultyMethod } from './faults.ts';
import { asRefusal, permissionDenied } from './refusal.ts';
import type { FakeSwarm } from './swarm.ts';

type AnyCall =
  | ServerUnaryCall<unknown, unknown>
  | ServerWritableStream<unknown, unknown>
  | ServerReadableStream<unknown, unknown>;

/** What every service of a manager does before it looks at a request. */
export interface CallGuard {
  readonly ca: FakeCa;
  readonly swarm: FakeSwarm;
  readonly faults: Faults;
  readonly clock: Clock;
}

/** The node that calls, by its certificate alone; refused in the order managers check (spec swarmkit-worker §7.1). */
export function authorizedNode({ ca, swarm }: CallGuard, call: AnyCall): string {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (!certificate) throw permissionDenied('no client certificates in request');
  const subject = swarmSubject(certificateFields(certificate.raw).subjectDer);
  if (!/^swarm-(worker|manager)$/.test(subject.organizationalUnit)) {
    throw permissionDenied('remote certificate not part of OUs');
  }
  if (swarm.removed.has(subject.commonName)) {
    throw permissionDenied(`node ${subject.commonName} was removed from swarm`);
  }
  if (subject.organization !== ca.clusterId) throw permissionDenied('remote certificate not part of organization');
  return subject.commonName;
}

/** Lets the fault set for this method, if any, happen. */
async function suffer(guard: CallGuard, method: FaultyMethod, signal: AbortSignal): Promise<'end' | undefined> {
  const fault = guard.faults.take(method);
  switch (fault?.kind) {
    case undefined:
      return undefined;
    case 'end':
      return 'end';
    case 'delay':
      await guard.clock.sleep(fault.ms, signal);
      return undefined;
    case 'refuse':
      throw Object.assign(new Error(fault.details), { code: fault.code, details: fault.details });
    case 'silence':
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
      return undefined;
  }
}

export function unary<I extends DescMessage, O extends DescMessage>(
  guard: CallGuard,
  method: FaultyMethod,
  answer: (nodeId: string, request: MessageShape<I>) => MessageShape<O>,
) {
  return (call: ServerUnaryCall<MessageShape<I>, MessageShape<O>>, reply: sendUnaryData<MessageShape<O>>): void => {
    const scope = scopeOf(call);
    const work = async () => {
      await suffer(guard, method, scope.signal);
      return answer(authorizedNode(guard, call as AnyCall), call.request);
    };
    work().then(
      (response) => reply(null, response),
      (error: unknown) => reply(asRefusal(error)),
    );
  };
}

/** A stream to a worker: what its server may do with it. */
export interface Outgoing<T> {
  readonly nodeId: string;
  /** Aborted when the worker hangs up, or with the error the stream is to end with. */
  readonly signal: AbortSignal;
  /** Resolves when there is room for more. */
  readonly send: (message: T) => Promise<void>;
  readonly end: (error: ServerErrorResponse) => void;
}

export function outgoing<I extends DescMessage, T>(
  guard: CallGuard,
  method: FaultyMethod,
  serve: (stream: Outgoing<T>, request: MessageShape<I>, peer: string) => Promise<void>,
) {
  return (call: ServerWritableStream<MessageShape<I>, T>): void => {
    const scope = scopeOf(call);
    const work = async () => {
      if ((await suffer(guard, method, scope.signal)) === 'end') return;
      const stream: Outgoing<T> = {
        nodeId: authorizedNode(guard, call as AnyCall),
        signal: scope.signal,
        send: (message) => send(call, message, scope.signal),
        end: (error) => scope.abort(error),
      };
      await serve(stream, call.request, call.getPeer());
    };
    work().then(
      () => call.end(),
      (error: unknown) => {
        if (!call.cancelled) call.emit('error', asRefusal(error));
      },
    );
  };
}

async function send<T>(
  call:
    | ServerWritableStream<never, T>
    | { write: (message: T) => boolean; once: (event: 'drain', f: () => void) => unknown },
  message: T,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (call.write(message)) return;
  await new Promise<void>((resolve, reject) => {
    call.once('drain', resolve);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function scopeOf(call: { on(event: 'cancelled', listener: () => void): unknown }): AbortController {
  const scope = new AbortController();
  call.on('cancelled', () => scope.abort(new Error('the worker has hung up')));
  return scope;
}
