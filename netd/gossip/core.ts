import type { Random } from '#base/random.ts';
import { type Fact, Io, type Output } from './io.ts';
import { attach, detach } from './networkdb/attach.ts';
import { NetworkDb } from './networkdb/networkdb.ts';
import { publish, withdraw } from './networkdb/publish.ts';
import type { RowChange } from './networkdb/rows.ts';
import type { WriteKind } from './networkdb/state.ts';
import { Swim } from './swim/swim.ts';
import { DecodeError } from './wire/decode-error.ts';
import { eachMessage } from './wire/packet.ts';
import { type Address, MESSAGE_TYPE } from './wire/swim-message.ts';
import { decodeUserStream } from './wire/user-stream.ts';

export interface CoreConfig {
  /** Twelve hex digits drawn anew for each start. */
  readonly name: string;
  /** What peers dial: advertised IP and port. */
  readonly address: Address;
  /** Largest plaintext packet: control plane MTU - 100. */
  readonly packetBytes: number;
}

/** Everything that can happen to a gossip node. */
export type Input =
  | { readonly kind: 'tick' }
  /** A datagram, decrypted. */
  | { readonly kind: 'packet'; readonly from: Address; readonly packet: Buffer }
  /** A message somebody sent on a stream, opened; an answer, if any, comes out under `id`. */
  | { readonly kind: 'request'; readonly id: number; readonly message: Buffer }
  /** A stream of ours ended well: the reply if one was wanted. */
  | { readonly kind: 'stream-done'; readonly id: number; readonly reply: Buffer | undefined }
  | { readonly kind: 'stream-failed'; readonly id: number; readonly reason: string }
  | { readonly kind: 'join'; readonly addresses: readonly Address[] }
  | { readonly kind: 'leave' }
  | { readonly kind: 'attach'; readonly network: string }
  | { readonly kind: 'detach'; readonly network: string }
  | {
      readonly kind: 'publish';
      readonly network: string;
      readonly table: string;
      readonly key: string;
      readonly value: Uint8Array;
      readonly as: WriteKind;
    }
  | { readonly kind: 'withdraw'; readonly network: string; readonly table: string; readonly key: string };

/** What a step wants done, and which rows changed in it. */
export interface Step {
  readonly outputs: readonly Output[];
  readonly changes: readonly RowChange[];
}

/**
 * A gossip node without sockets, clocks or keys: membership below, tables above. Input and time go in, packets, streams
 * and facts come out; the same inputs and random numbers give the same outputs.
 */
export class Core {
  readonly config: CoreConfig;
  readonly io: Io;
  readonly swim: Swim;
  readonly db: NetworkDb;
  #changes: RowChange[] = [];
  #refused = 0;
  #leaving = false;

  constructor(config: CoreConfig, nowMs: number, random: Random) {
    this.config = config;
    this.io = new Io(nowMs, random);
    this.db = new NetworkDb(
      { name: config.name, address: config.address, packetBytes: config.packetBytes },
      this.io,
      (to, join, done) => this.swim.exchange(to, join, done),
      (change) => this.#changes.push(change),
    );
    this.swim = new Swim(config, this.io, this.db);
  }

  /** When the next `tick` is due, on the clock the steps are given. */
  get nextTickMs(): number | undefined {
    return this.io.timers.nextAtMs();
  }

  /** Messages refused because they could not be read or must not be listened to. */
  get refused(): number {
    return this.#refused;
  }

  /** @param nowMs monotonic milliseconds; going back is taken as standing still */
  step(nowMs: number, input: Input): Step {
    this.io.nowMs = Math.max(this.io.nowMs, nowMs);
    try {
      this.#handle(input);
    } catch (error) {
      // What peers send can be anything; what is wrong with us must be seen.
      if (!(error instanceof DecodeError)) throw error;
      this.#refused++;
    }
    const changes = this.#changes;
    if (changes.length > 0) this.#changes = [];
    return { outputs: this.io.takeOutputs(), changes };
  }

  #handle(input: Input): void {
    const { io, db } = this;
    switch (input.kind) {
      case 'tick':
        io.timers.runDue(io.nowMs);
        return;
      case 'packet':
        this.#packet(input.packet, input.from);
        return;
      case 'request':
        this.#request(input.id, input.message);
        return;
      case 'stream-done':
        io.endStream(input.id)?.done(input.reply);
        return;
      case 'stream-failed':
        io.endStream(input.id)?.failed(input.reason);
        return;
      case 'join': {
        const { ip, port } = this.config.address;
        db.join(input.addresses.filter((address) => address.ip !== ip || address.port !== port));
        return;
      }
      case 'leave':
        this.#leave();
        return;
      case 'attach':
        attach(db.state, db.bulk, input.network);
        return;
      case 'detach':
        detach(db.state, input.network);
        return;
      case 'publish':
        publish(db.state, input.network, input.table, input.key, input.value, input.as);
        return;
      case 'withdraw':
        withdraw(db.state, input.network, input.table, input.key);
        return;
      default:
        input satisfies never;
    }
  }

  #packet(packet: Buffer, from: Address): void {
    const visit = (message: Buffer) => {
      try {
        this.swim.message(message, from);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        this.#refused++;
      }
    };
    eachMessage(packet, visit, () => this.#refused++);
  }

  #request(id: number, message: Buffer): void {
    switch (message[0]) {
      case MESSAGE_TYPE.ping:
        this.swim.streamPing(id, message);
        return;
      case MESSAGE_TYPE.pushPull:
        this.swim.streamPushPull(id, message);
        return;
      case MESSAGE_TYPE.user: {
        const payload = decodeUserStream(message);
        if (payload.length > 0) this.db.streamMessage(payload);
        return;
      }
      default:
        throw new DecodeError(`stream message of type ${message[0]}`);
    }
  }

  /** NetworkDB's goodbye, then memberlist's: in the other order peers dial us for a day (spec gossip §17.4). */
  #leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.db.leave(() => {
      this.swim.leave(() => {
        this.swim.stop();
        const left: Fact = { kind: 'left' };
        this.io.fact(left);
      });
    });
  }
}
