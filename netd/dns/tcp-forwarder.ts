import { connect, type Socket } from 'node:net';
import { connectTcp } from '../kernel/ns-sockets.ts';
import { ATTEMPT_MS, type AttemptEnd, afterAttempt, MAX_IN_FLIGHT } from './attempts.ts';
import { HEADER_BYTES, RCODE } from './codes.ts';
import type { Counters } from './counters.ts';
import { FrameReader, frame } from './frames.ts';
import { writeEmpty } from './reply.ts';
import type { Upstream } from './servers.ts';

export interface TcpForwarderDeps {
  /** Namespace of the container. */
  readonly namespace: string;
  readonly upstreams: () => readonly Upstream[];
  readonly counters: Counters;
  /** Port of the servers; 53 but in tests. */
  readonly port?: number;
}

/** Forwards questions that came over TCP, over TCP: a connection for each question and server, as Docker does. */
export class TcpForwarder {
  readonly #deps: TcpForwarderDeps;
  readonly #scope = new AbortController();
  #inFlight = 0;

  constructor(deps: TcpForwarderDeps) {
    this.#deps = deps;
  }

  /**
   * The reply for the client: a server's, or one that says that there is none.
   *
   * @param questionEnd where the question in `query` ends
   */
  async forward(query: Buffer, questionEnd: number): Promise<Buffer> {
    const { counters, upstreams: current } = this.#deps;
    counters.forwarded++;
    if (this.#inFlight >= MAX_IN_FLIGHT) return this.#failure(query, questionEnd, RCODE.REFUSED);
    this.#inFlight++;
    try {
      const upstreams = current();
      for (const [attempt, upstream] of upstreams.entries()) {
        const reply = await this.#ask(upstream, query).catch(() => undefined);
        const end: AttemptEnd =
          reply === undefined ? { kind: 'failed' } : { kind: 'reply', rcode: (reply[3] ?? 0) & 0xf };
        if (afterAttempt(end, attempt, upstreams.length) === 'relay' && reply !== undefined) return reply;
      }
      return this.#failure(query, questionEnd, RCODE.SERVFAIL);
    } finally {
      this.#inFlight--;
    }
  }

  /** Ends what is under way. */
  close(): void {
    this.#scope.abort(new Error('the resolver is closed'));
  }

  async #ask({ address, from, ports }: Upstream, query: Buffer): Promise<Buffer> {
    const signal = AbortSignal.any([this.#scope.signal, AbortSignal.timeout(ATTEMPT_MS)]);
    signal.throwIfAborted();
    const to = { address, port: ports?.tcp ?? this.#deps.port ?? 53 };
    const socket = from === 'host' ? connect(to.port, to.address) : connectTcp(this.#deps.namespace, to);
    const onAbort = () => socket.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      socket.write(frame(query));
      return await firstReply(socket, query);
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    }
  }

  #failure(query: Buffer, questionEnd: number, rcode: number): Buffer {
    this.#deps.counters.failed++;
    const out = Buffer.alloc(questionEnd);
    writeEmpty({ out, at: 0, limit: out.length }, { bytes: query, start: 0, questionEnd }, rcode);
    return out;
  }
}

/** The first message with the question's id. */
function firstReply(socket: Socket, query: Buffer): Promise<Buffer> {
  const reader = new FrameReader();
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      for (const message of reader.push(chunk)) {
        const isReply = message.length >= HEADER_BYTES && message.readUInt16BE(0) === query.readUInt16BE(0);
        if (isReply && ((message[2] ?? 0) & 0x80) !== 0) resolve(message);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed the connection')));
  });
}
