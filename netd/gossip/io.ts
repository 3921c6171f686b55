import { type Random, uniformInt } from '#base/random.ts';
import { GOSSIP_INTERVAL_MS } from './swim/timing.ts';
import { type Timer, Timers } from './timers.ts';
import type { Address } from './wire/swim-message.ts';

/** What the core wants done. It never does anything itself: whoever drives it carries these out. */
export type Output =
  /** A datagram to seal and send; `crc` as the path wants it (spec gossip §3.2). */
  | { readonly kind: 'packet'; readonly to: Address; readonly message: Buffer; readonly crc: boolean }
  /** A stream to open: send the message; then read one reply, or just close. Report back under `id`. */
  | {
      readonly kind: 'stream';
      readonly id: number;
      readonly to: Address;
      readonly message: Buffer;
      readonly wantsReply: boolean;
      readonly timeoutMs: number;
    }
  /** The answer to a request that came in on a stream, in its step or, where `Io.owes` says so, in a later one. A request
   *  that gets none is closed without a word. */
  | { readonly kind: 'reply'; readonly id: number; readonly message: Buffer }
  | { readonly kind: 'fact'; readonly fact: Fact };

/** What became known, for logs and for those who wait for it. */
export type Fact =
  | { readonly kind: 'peer'; readonly node: string; readonly address: Address; readonly state: 'up' | 'down' | 'left' }
  /** Another process claims a name at another address. If the name is ours, somebody copied it or forges. */
  | { readonly kind: 'conflict'; readonly node: string; readonly known: Address; readonly claimed: Address }
  /** Pings reach a node only over TCP: a firewall drops its UDP. */
  | { readonly kind: 'udp-blocked'; readonly node: string }
  /** The peers declared us dead and have dropped our rows; we told them otherwise. */
  | { readonly kind: 'resurrected' }
  /** Nobody can outbid the accusations against our name any more: only a new name helps. */
  | { readonly kind: 'name-burned' }
  | { readonly kind: 'joined'; readonly peers: number }
  | { readonly kind: 'unreachable'; readonly addresses: readonly Address[]; readonly reason: string }
  | { readonly kind: 'dropped'; readonly what: string; readonly reason: string }
  /** The goodbyes have been said as often as they need; sockets may close. */
  | { readonly kind: 'left' };

/** How the other end of a stream we opened ended. */
export interface StreamWaiter {
  /** The message went out and, if a reply was wanted, here it is. */
  readonly done: (reply: Buffer | undefined) => void;
  readonly failed: (reason: string) => void;
}

/** What both layers of the core share: the time, chance, timers, and the list of what they want done. */
export class Io {
  readonly random: Random;
  readonly timers = new Timers();
  nowMs: number;
  #outputs: Output[] = [];
  #streams = new Map<number, StreamWaiter>();
  #nextStream = 1;
  readonly #owed = new Set<number>();
  readonly #firstRoundMs: number;

  constructor(nowMs: number, random: Random) {
    this.nowMs = nowMs;
    this.random = random;
    this.#firstRoundMs = nowMs + random() * GOSSIP_INTERVAL_MS;
  }

  /**
   * Runs `run` every `intervalMs`, a whole number of gossip rounds. Whatever we do again and again, but for whole states, is due
   * in the same moments: to a quiet node waking up costs more than what it wakes up for. No two nodes have the same moments.
   */
  every(intervalMs: number, run: (lateMs: number) => void): Timer {
    const rounds = Math.round(intervalMs / GOSSIP_INTERVAL_MS);
    const firstMs = this.#firstRoundMs + uniformInt(this.random, 0, rounds) * GOSSIP_INTERVAL_MS;
    return this.timers.every(
      firstMs,
      () => rounds * GOSSIP_INTERVAL_MS,
      (_, lateMs) => run(lateMs),
    );
  }

  packet(to: Address, message: Buffer, crc: boolean): void {
    this.#outputs.push({ kind: 'packet', to, message, crc });
  }

  /** A request will be answered, if not in this step: a large state takes several to be put together. */
  owe(id: number): void {
    this.#owed.add(id);
  }

  /** True if a request is still to be answered. */
  owes(id: number): boolean {
    return this.#owed.has(id);
  }

  reply(id: number, message: Buffer): void {
    this.#owed.delete(id);
    this.#outputs.push({ kind: 'reply', id, message });
  }

  fact(fact: Fact): void {
    this.#outputs.push({ kind: 'fact', fact });
  }

  stream(
    to: Address,
    message: Buffer,
    options: { readonly wantsReply: boolean; readonly timeoutMs: number },
    waiter: StreamWaiter,
  ): void {
    const id = this.#nextStream++;
    this.#streams.set(id, waiter);
    this.#outputs.push({ kind: 'stream', id, to, message, ...options });
  }

  /** Takes the waiter of a stream that ended; undefined if there is none, as after a second report. */
  endStream(id: number): StreamWaiter | undefined {
    const waiter = this.#streams.get(id);
    this.#streams.delete(id);
    return waiter;
  }

  /** Streams opened and not yet reported back. */
  get openStreams(): number {
    return this.#streams.size;
  }

  takeOutputs(): readonly Output[] {
    if (this.#outputs.length === 0) return NOTHING;
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }
}

const NOTHING: readonly Output[] = Object.freeze([]);
