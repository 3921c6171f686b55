import type { Clock } from '#base/clock.ts';
import { relay } from './answer.ts';
import { ATTEMPT_MS, type AttemptEnd, afterAttempt, MAX_IN_FLIGHT, MAX_QUEUED, MAX_QUEUED_MS } from './attempts.ts';
import { RCODE } from './codes.ts';
import type { Counters } from './counters.ts';
import { sendAll, sendRoom } from './datagrams.ts';
import type { Query } from './query.ts';
import { type Room, writeEmpty, writeTruncated } from './reply.ts';
import type { Upstream } from './servers.ts';
import { type Outstanding, UpstreamSocket } from './upstream-socket.ts';

/** A forwarded question on its way. */
interface Pending extends Outstanding {
  readonly udpBytes: number;
  readonly peer: number;
  /** Fixed when it begins: a change of servers holds for the next question. */
  readonly upstreams: readonly Upstream[];
  attempt: number;
  /** Key of the server that is asked. */
  server: string;
  socket: UpstreamSocket<Pending> | undefined;
  id: number;
  dueMs: number;
}

export interface UdpForwarderDeps {
  /** Namespace of the container. */
  readonly namespace: string;
  readonly upstreams: () => readonly Upstream[];
  readonly clock: Clock;
  readonly counters: Counters;
  /** Hands a reply, written at the start of `room`, to the client. */
  readonly reply: (room: Room, length: number, peer: number) => void;
  /** Port of the servers; 53 but in tests. */
  readonly port?: number;
}

/** The least time between two looks at what is overdue, in milliseconds. */
const MIN_TICK_MS = 50;
/** Questions that go on to the next server in one go: about half of what fits into the buffer of a socket. */
const MAX_MOVES_PER_TICK = 128;

/** Sends a container's questions to its servers, one after the other, and the replies back. */
export class UdpForwarder {
  readonly #deps: UdpForwarderDeps;
  /** In the order in which they fall due: all wait equally long. */
  readonly #inFlight = new Set<Pending>();
  readonly #queued = new Set<Pending>();
  readonly #sockets = new Map<string, UpstreamSocket<Pending>>();
  /** When each server last said something. */
  readonly #heardMs = new Map<string, number>();
  /** Servers that said nothing for a whole attempt, while what waits for them is moved on. */
  readonly #silent = new Set<string>();
  readonly #scope = new AbortController();
  #ticking = false;

  constructor(deps: UdpForwarderDeps) {
    this.#deps = deps;
  }

  /** Questions that wait for a server or for their turn. */
  get waiting(): number {
    return this.#inFlight.size + this.#queued.size;
  }

  /** Takes a question; the reply, if only that there is none, comes by `deps.reply`. */
  forward(bytes: Buffer, start: number, end: number, query: Query, peer: number): void {
    this.#deps.counters.forwarded++;
    const pending: Pending = {
      query: Buffer.copyBytesFrom(bytes, start, end - start),
      questionEnd: query.questionEnd - start,
      udpBytes: query.udpBytes,
      peer,
      upstreams: this.#deps.upstreams(),
      attempt: 0,
      server: '',
      socket: undefined,
      id: 0,
      dueMs: 0,
    };
    if (this.#inFlight.size < MAX_IN_FLIGHT) this.#try(pending);
    else if (this.#queued.size < MAX_QUEUED) {
      pending.dueMs = this.#deps.clock.monotonicMs() + MAX_QUEUED_MS;
      this.#queued.add(pending);
    } else this.#giveUp(pending, RCODE.REFUSED);
    this.#tick();
  }

  /** Drops everything; clients hear nothing more. */
  close(): void {
    this.#scope.abort();
    for (const pending of this.#inFlight) pending.socket?.forget(pending.id);
    for (const socket of this.#sockets.values()) socket.retire();
    this.#inFlight.clear();
    this.#queued.clear();
    this.#sockets.clear();
  }

  /** Asks the server whose turn it is, or the first after it that can be sent to. */
  #try(pending: Pending): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (; pending.attempt < pending.upstreams.length; pending.attempt++) {
      const upstream = pending.upstreams[pending.attempt];
      const socket = upstream && this.#socketTo(upstream, nowMs);
      if (upstream === undefined || socket === undefined) continue;
      pending.server = serverKey(upstream);
      pending.socket = socket;
      pending.id = socket.ask(pending);
      pending.dueMs = nowMs + ATTEMPT_MS;
      this.#inFlight.add(pending);
      return;
    }
    this.#giveUp(pending, RCODE.SERVFAIL);
  }

  #ended(pending: Pending, end: AttemptEnd): boolean {
    this.#inFlight.delete(pending);
    switch (afterAttempt(end, pending.attempt, pending.upstreams.length)) {
      case 'relay':
        return true;
      case 'next':
        pending.attempt++;
        this.#try(pending);
        return false;
      case 'servfail':
        this.#giveUp(pending, RCODE.SERVFAIL);
        return false;
    }
  }

  #replied(pending: Pending, bytes: Buffer, start: number, end: number, cut: boolean): void {
    this.#heardMs.set(pending.server, this.#deps.clock.monotonicMs());
    if (this.#silent.size > 0) this.#silent.delete(pending.server);
    if (this.#ended(pending, { kind: 'reply', rcode: (bytes[start + 3] ?? 0) & 0xf })) {
      const { query, questionEnd, udpBytes, peer } = pending;
      const room = sendRoom(Math.max(udpBytes, questionEnd));
      const asked = { bytes: query, start: 0, questionEnd };
      const length = cut ? writeTruncated(room, asked, 0) : relay(room, asked, bytes, start, end);
      if (((room.out[room.at + 2] ?? 0) & 0x02) !== 0) this.#deps.counters.truncated++;
      this.#deps.reply(room, length, peer);
    }
    this.#next();
  }

  #lost(lost: readonly Pending[]): void {
    for (const pending of lost) this.#ended(pending, { kind: 'failed' });
    this.#next();
  }

  #giveUp({ query, questionEnd, peer }: Pending, rcode: number): void {
    this.#deps.counters.failed++;
    const room = sendRoom(questionEnd);
    this.#deps.reply(room, writeEmpty(room, { bytes: query, start: 0, questionEnd }, rcode), peer);
  }

  /** Lets waiting questions take the free places. */
  #next(): void {
    for (const pending of this.#queued) {
      if (this.#inFlight.size >= MAX_IN_FLIGHT) return;
      this.#queued.delete(pending);
      this.#try(pending);
    }
  }

  #socketTo(upstream: Upstream, nowMs: number): UpstreamSocket<Pending> | undefined {
    const { address, from, ports } = upstream;
    const port = ports?.udp ?? this.#deps.port ?? 53;
    const key = serverKey(upstream);
    const known = this.#sockets.get(key);
    if (known !== undefined && !known.isSpent(nowMs)) return known;
    known?.retire();
    this.#sockets.delete(key);
    try {
      const namespace = from === 'host' ? undefined : this.#deps.namespace;
      const socket = new UpstreamSocket<Pending>(namespace, address, port, nowMs, {
        replied: (...reply) => this.#replied(...reply),
        lost: (lost) => this.#lost(lost),
      });
      this.#sockets.set(key, socket);
      return socket;
    } catch {
      return undefined; // no route, or no namespace any more: like a server that does not answer, at once
    }
  }

  /** Looks after what is overdue, for as long as anything waits; then closes the sockets. */
  #tick(): void {
    if (this.#ticking || this.#scope.signal.aborted) return;
    this.#ticking = true;
    void this.#untilIdle().catch(() => {}); // it can only be told to stop
  }

  async #untilIdle(): Promise<void> {
    const { clock } = this.#deps;
    while (this.#inFlight.size > 0 || this.#queued.size > 0 || this.#sockets.size > 0) {
      const first = [...firstOf(this.#inFlight), ...firstOf(this.#queued)].map(({ dueMs }) => dueMs);
      const mostMs = this.#silent.size > 0 ? MIN_TICK_MS : ATTEMPT_MS;
      const leftMs = Math.min(mostMs, ...first.map((dueMs) => dueMs - clock.monotonicMs()));
      await clock.sleep(Math.max(MIN_TICK_MS, leftMs), this.#scope.signal);
      this.#expire(clock.monotonicMs());
    }
    this.#ticking = false;
  }

  /**
   * Ends what is overdue. A server that has said nothing at all since then is not waited for by the others either; so a
   * server that asks this resolver in turn, a circle in which ever new questions wait for each other, comes to an end too.
   */
  #expire(nowMs: number): void {
    if (this.#moveOn(nowMs)) {
      const isHopeless = this.#silent.size > 0 && this.#inFlight.size === 0;
      this.#silent.clear();
      for (const pending of this.#queued) {
        if (!isHopeless && pending.dueMs > nowMs) break;
        this.#queued.delete(pending);
        this.#giveUp(pending, isHopeless ? RCODE.SERVFAIL : RCODE.REFUSED);
      }
      this.#next();
    }
    for (const [key, socket] of this.#sockets) {
      if (!socket.isSpent(nowMs)) continue;
      socket.retire();
      this.#sockets.delete(key);
    }
    sendAll();
  }

  /** False if there are more to move than may be at once: the next server would lose them. */
  #moveOn(nowMs: number): boolean {
    let moves = 0;
    for (const pending of this.#inFlight) {
      const isDue = pending.dueMs <= nowMs;
      if (!isDue && this.#silent.size === 0) break;
      if (isDue && !this.#hasSpoken(pending)) this.#silent.add(pending.server);
      if (!isDue && !this.#silent.has(pending.server)) continue;
      if (moves++ === MAX_MOVES_PER_TICK) return false;
      pending.socket?.forget(pending.id);
      this.#ended(pending, { kind: 'failed' });
    }
    return true;
  }

  /** True if its server has answered anything since it was asked. */
  #hasSpoken({ server, dueMs }: Pending): boolean {
    return (this.#heardMs.get(server) ?? Number.NEGATIVE_INFINITY) >= dueMs - ATTEMPT_MS;
  }
}

function serverKey({ from, address, ports }: Upstream): string {
  return `${from} ${address} ${ports?.udp ?? ''}`;
}

function* firstOf<T>(set: ReadonlySet<T>): Generator<T> {
  for (const value of set) {
    yield value;
    return;
  }
}
