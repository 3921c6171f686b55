import { randomFillSync } from 'node:crypto';
import { HEADER_BYTES } from './codes.ts';
import { CONNECTED, DatagramSocket, sendRoom } from './datagrams.ts';

/** Questions one socket asks before another port takes its place: a stranger has to guess port and id to be believed. */
const MAX_USES = 512;
/** A socket takes questions for this long, in milliseconds. */
const MAX_AGE_MS = 5000;
/** With at most 512 of 65,536 ids taken, one random draw is nearly always free. */
const MAX_DRAWS = 32;

/** A question as it waits for its reply. */
export interface Outstanding {
  /** As the client sent it, with its own id. */
  readonly query: Buffer;
  readonly questionEnd: number;
}

export interface UpstreamHandler<O extends Outstanding> {
  /** A reply to the question, from the server it was sent to; `bytes` may be used during the call only. */
  readonly replied: (outstanding: O, bytes: Buffer, start: number, end: number, cut: boolean) => void;
  /** The server cannot be reached: none of these will be answered. */
  readonly lost: (outstanding: readonly O[]) => void;
}

/**
 * One UDP port towards one server, with random ids and a check of all that comes back. Many questions wait at once; it closes when it
 * is retired and none waits.
 */
export class UpstreamSocket<O extends Outstanding> {
  readonly #socket: DatagramSocket;
  readonly #waiting = new Map<number, O>();
  readonly #handler: UpstreamHandler<O>;
  readonly #openedMs: number;
  #uses = 0;
  #retired = false;

  /** @throws KernelError when there is no way to the server */
  constructor(
    namespace: string | undefined,
    address: string,
    port: number,
    nowMs: number,
    handler: UpstreamHandler<O>,
  ) {
    this.#openedMs = nowMs;
    this.#handler = handler;
    this.#socket = DatagramSocket.connect(
      namespace,
      { address, port },
      {
        received: (bytes, start, end, _peer, cut) => this.#received(bytes, start, end, cut),
        failed: () => this.#failed(),
      },
    );
  }

  /** True when another socket should take its place. */
  isSpent(nowMs: number): boolean {
    return this.#uses >= MAX_USES || nowMs - this.#openedMs >= MAX_AGE_MS;
  }

  get idle(): boolean {
    return this.#waiting.size === 0;
  }

  /** Sends a question; the id it waits under, for `forget`. */
  ask(outstanding: O): number {
    this.#uses++;
    const id = this.#freeId();
    this.#waiting.set(id, outstanding);
    const { query } = outstanding;
    const room = sendRoom(query.length);
    query.copy(room.out, room.at);
    room.out[room.at] = id >> 8;
    room.out[room.at + 1] = id & 0xff;
    this.#socket.send(room, query.length, CONNECTED);
    return id;
  }

  forget(id: number): void {
    this.#waiting.delete(id);
    this.#closeIfDone();
  }

  /** Takes no more questions, and closes after the last reply. */
  retire(): void {
    this.#retired = true;
    this.#closeIfDone();
  }

  #received(bytes: Buffer, start: number, end: number, cut: boolean): void {
    if (end - start < HEADER_BYTES) return;
    const id = ((bytes[start] ?? 0) << 8) | (bytes[start + 1] ?? 0);
    const outstanding = this.#waiting.get(id);
    if (outstanding === undefined || !isReplyTo(outstanding, bytes, start, end)) return;
    this.#waiting.delete(id);
    this.#handler.replied(outstanding, bytes, start, end, cut);
    this.#closeIfDone();
  }

  #failed(): void {
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#uses = MAX_USES;
    this.#handler.lost(lost);
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#retired && this.#waiting.size === 0) this.#socket.close();
  }

  #freeId(): number {
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const id = randomId();
      if (!this.#waiting.has(id)) return id;
    }
    throw new RangeError('no free query id'); // cannot be: see MAX_DRAWS
  }
}

/** A reply, with the question it is for; servers that leave it out (some do with errors) say so in their count. */
function isReplyTo({ query, questionEnd }: Outstanding, bytes: Buffer, start: number, end: number): boolean {
  if (((bytes[start + 2] ?? 0) & 0x80) === 0) return false;
  const questions = ((bytes[start + 4] ?? 0) << 8) | (bytes[start + 5] ?? 0);
  if (questions === 0) return ((bytes[start + 3] ?? 0) & 0xf) !== 0;
  if (questions !== 1 || end - start < questionEnd) return false;
  for (let i = HEADER_BYTES; i < questionEnd; i++) {
    if (folded(query[i] ?? 0) !== folded(bytes[start + i] ?? 0)) return false;
  }
  return true;
}

/** Letters in lower case. That lengths and type numbers are changed alike makes no two questions equal that matter here. */
function folded(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

// Ids are what a forger has to guess: from the system's source, many at a time.
const ids = Buffer.alloc(4096);
let idsUsed = ids.length;

function randomId(): number {
  if (idsUsed >= ids.length) {
    randomFillSync(ids);
    idsUsed = 0;
  }
  idsUsed += 2;
  return ids.readUInt16BE(idsUsed - 2);
}
