import type { Io } from '../io.ts';
import type { Timer } from '../timers.ts';
import { decodeSwim } from '../wire/swim-decode.ts';
import { encodeSwim } from '../wire/swim-encode.ts';
import { type Address, MESSAGE_TYPE } from '../wire/swim-message.ts';
import { announceSelf, onAlive, onDead, onSuspect } from './claims.ts';
import type { Member } from './members.ts';
import { probeTick } from './probe.ts';
import { exchange, pushPullTick, servePushPull } from './push-pull-exchange.ts';
import { gossipRoom, sendParts, takeGossip } from './send.ts';
import { encodeAck, isForUs, onIndirectPing, onPing } from './serve.ts';
import { applyHealth, createSwimState, type SwimConfig, type SwimDelegate, type SwimState } from './state.ts';
import { DEAD_GOSSIP_MS, GOSSIP_FANOUT, GOSSIP_INTERVAL_MS, PROBE_INTERVAL_MS, pushPullPeriodMs } from './timing.ts';

/** A tick that comes later than this means our own event loop was held up: doubt ourselves before others. */
const LAG_MS = 250;
/** How long a goodbye may take once it is queued (spec gossip §17.4). */
const LEAVE_WAIT_MS = 1000;

/** Membership: who is there, said and heard (spec gossip §10). Told messages and time, it writes to `io`. */
export class Swim {
  readonly state: SwimState;
  readonly #tickers: Timer[];

  constructor(config: SwimConfig, io: Io, delegate: SwimDelegate) {
    this.state = createSwimState(config, io, delegate);
    announceSelf(this.state);
    const { timers, random, nowMs } = io;
    const members = this.state.members;
    const pushPullPeriod = () => pushPullPeriodMs(members.size);
    this.#tickers = [
      io.every(PROBE_INTERVAL_MS, (lateMs) => {
        if (lateMs > LAG_MS) applyHealth(this.state, 1);
        probeTick(this.state);
      }),
      io.every(GOSSIP_INTERVAL_MS, () => this.#gossipTick()),
      timers.every(nowMs + pushPullPeriod() * (1 + random()), pushPullPeriod, () => pushPullTick(this.state)),
    ];
  }

  /** One plain message from a packet, as `eachMessage` gives them. Throws DecodeError. */
  message(bytes: Buffer, from: Address): void {
    if (bytes[0] === MESSAGE_TYPE.user) {
      if (bytes.length > 1) this.state.delegate.userMessage(bytes.subarray(1));
      return;
    }
    const message = decodeSwim(bytes);
    if (message === undefined) return;
    if (message.kind === 'ping') onPing(this.state, message, from);
    else if (message.kind === 'indirectPing') onIndirectPing(this.state, message, from);
    else if (message.kind === 'alive') onAlive(this.state, message);
    else if ('seqNo' in message) this.#answered(message.kind, message.seqNo);
    else if (message.kind === 'suspect') onSuspect(this.state, message);
    else onDead(this.state, message);
  }

  /** A ping that came on a stream: answered if it is for us. Throws DecodeError. */
  streamPing(id: number, bytes: Buffer): void {
    const ping = decodeSwim(bytes);
    if (ping?.kind === 'ping' && isForUs(this.state, ping)) this.state.io.reply(id, encodeAck(ping.seqNo));
  }

  /** A push/pull that came on a stream. Throws DecodeError. */
  streamPushPull(id: number, bytes: Buffer): void {
    servePushPull(this.state, id, bytes);
  }

  exchange(to: Address, join: boolean, done: Parameters<typeof exchange>[3]): void {
    exchange(this.state, to, join, done);
  }

  /** Says goodbye; `done` runs when it was said often enough or long enough. */
  leave(done: () => void): void {
    const { state } = this;
    const { io, self, queue } = state;
    state.leaving = true;
    const goodbye = { kind: 'dead', node: self.name, incarnation: self.incarnation, from: self.name } as const;
    queue.put(self.name, encodeSwim(goodbye));
    const deadlineMs = io.nowMs + LEAVE_WAIT_MS;
    const check = () => {
      const saidEnough = !queue.has(self.name) || io.nowMs >= deadlineMs || !this.#hasLivePeer();
      if (saidEnough) done();
      else io.timers.at(io.nowMs + GOSSIP_INTERVAL_MS / 4, check);
    };
    check();
  }

  /** Stops everything periodic. */
  stop(): void {
    for (const ticker of this.#tickers) ticker.cancel();
    for (const suspicion of this.state.suspicions.values()) suspicion.timer.cancel();
  }

  #answered(kind: 'ack' | 'nack', seqNo: number): void {
    const waiter = this.state.ackWaiters.get(seqNo);
    if (kind === 'ack') waiter?.acked();
    else waiter?.nacked();
  }

  #hasLivePeer(): boolean {
    return this.state.members.pick(1, (member) => member.state === 'alive' && member !== this.state.self).length > 0;
  }

  /**
   * Passes news on to three members (spec gossip §10.11). The walk through the shuffled list goes on where it stopped, so
   * the copies of one broadcast reach different nodes, and in a small cluster each of them.
   */
  #gossipTick(): void {
    for (let copies = 0; copies < GOSSIP_FANOUT; copies++) {
      if (this.state.queue.size === 0 && !this.#hasUserGossip()) return;
      const target = this.#nextGossipTarget();
      if (target === undefined) return;
      const parts = takeGossip(this.state, gossipRoom(this.state));
      if (parts.length === 0) return;
      sendParts(this.state, { ip: target.ip, port: target.port }, parts, true);
    }
  }

  #hasUserGossip(): boolean {
    return this.state.delegate.pendingBroadcasts() > 0;
  }

  #nextGossipTarget(): Member | undefined {
    const { members, self, io } = this.state;
    for (let step = 0; step < members.size; step++) {
      this.state.gossipIndex = (this.state.gossipIndex + 1) % members.size;
      const member = members.at(this.state.gossipIndex);
      if (member === undefined || member === self || member.state === 'left') continue;
      if (member.state === 'dead' && io.nowMs - member.stateSinceMs > DEAD_GOSSIP_MS) continue;
      return member;
    }
    return undefined;
  }
}
