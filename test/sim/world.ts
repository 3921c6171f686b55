import assert from 'node:assert/strict';
import { type Random, seededRandom } from '#base/random.ts';
import { Core, type Input } from '#netd/gossip/core.ts';
import type { Fact, Output } from '#netd/gossip/io.ts';
import type { RowChange } from '#netd/gossip/networkdb/rows.ts';
import { Timers } from '#netd/gossip/timers.ts';
import { type Address, MESSAGE_TYPE } from '#netd/gossip/wire/swim-message.ts';
import { assertHarmlessPacket, assertHarmlessStream } from '../fuzz/harmless.ts';
import { areConnected, delayMs, goodWires, type Wires } from './network.ts';

const PORT = 7946;
const PACKET_BYTES = 1400;
/** A tick that rounding brings a moment before it is due would be scheduled for the same moment again, for ever. */
const ROUNDING_MS = 0.001;
/** Streams carry 100 MB/s here. */
const STREAM_BYTES_PER_MS = 100_000;

/** One process on one host of the simulation. A restart is a new one at the same address under a new name. */
export interface SimNode {
  readonly index: number;
  readonly core: Core;
  readonly address: Address;
  running: boolean;
  /** What its own clock shows beyond the world's. */
  clockAheadMs: number;
  pausedUntilMs: number;
  tickAtMs: number;
  /** What came while it was stopped. */
  readonly inbox: Input[];
}

/** Counts for the summary. */
export interface Traffic {
  packets: number;
  packetBytes: number;
  streams: number;
  streamBytes: number;
}

/** A cluster in one process: virtual time, simulated wires, real cores. The same seed replays the same run. */
export class World {
  readonly random: Random;
  readonly wires: Wires = goodWires();
  readonly nodes: SimNode[] = [];
  readonly traffic: Traffic = { packets: 0, packetBytes: 0, streams: 0, streamBytes: 0 };
  readonly #events = new Timers();
  readonly #byAddress = new Map<string, SimNode>();
  /** Decode everything that is emitted and assert that it harms nobody. */
  readonly #checkOutputs: boolean;
  #nowMs = 0;
  #requests = 1;
  /** Who waits for the answer to a request that a node answers in a later step. */
  readonly #owed = new Map<string, (reply: Buffer) => void>();
  #names = 1;
  onFact: (node: SimNode, fact: Fact) => void = () => undefined;
  onChanges: (node: SimNode, changes: readonly RowChange[]) => void = () => undefined;

  constructor(seed: number, options: { readonly checkOutputs?: boolean } = {}) {
    this.random = seededRandom(seed);
    this.#checkOutputs = options.checkOutputs ?? true;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Starts a process on host `index`; hosts are numbered from 0 and may be started again. */
  start(index: number): SimNode {
    const address: Address = { ip: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, port: PORT };
    const name = (0x100000000000 + this.#names++).toString(16);
    // Each core has its own generator, so that one more packet for one node changes nothing for the others.
    const random = seededRandom(Math.floor(this.random() * 2 ** 32));
    const core = new Core({ name, address, packetBytes: PACKET_BYTES }, this.#nowMs, random);
    const node: SimNode = {
      index,
      core,
      address,
      running: true,
      clockAheadMs: 0,
      pausedUntilMs: 0,
      tickAtMs: Number.POSITIVE_INFINITY,
      inbox: [],
    };
    this.nodes.push(node);
    this.#byAddress.set(address.ip, node);
    this.#schedule(node);
    return node;
  }

  /** The process is gone, without a word. */
  crash(node: SimNode): void {
    node.running = false;
  }

  /** The process does not run for a while, and reads afterwards what came meanwhile. */
  pause(node: SimNode, ms: number): void {
    node.pausedUntilMs = Math.max(node.pausedUntilMs, this.#nowMs + ms);
  }

  running(): SimNode[] {
    return this.nodes.filter((node) => node.running);
  }

  input(node: SimNode, input: Input): void {
    if (!node.running) return;
    // While it does not run, what comes waits in order, as in a socket.
    if (node.pausedUntilMs > this.#nowMs || node.inbox.length > 0) {
      node.inbox.push(input);
      if (node.inbox.length === 1) this.#wake(node);
      return;
    }
    this.#step(node, input);
  }

  #wake(node: SimNode): void {
    this.#events.at(node.pausedUntilMs, () => {
      if (node.pausedUntilMs > this.#nowMs) {
        this.#wake(node);
        return;
      }
      for (const input of node.inbox.splice(0)) this.#step(node, input);
    });
  }

  #step(node: SimNode, input: Input): void {
    const { outputs, changes } = node.core.step(this.#nowMs + node.clockAheadMs, input);
    if (changes.length > 0) this.onChanges(node, changes);
    for (const output of outputs) this.#carry(node, output);
    this.#schedule(node);
  }

  /** Lets the world run for `ms`. */
  run(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const nextMs = this.#events.nextAtMs();
      if (nextMs === undefined || nextMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, nextMs);
      this.#events.runDue(this.#nowMs);
    }
    this.#nowMs = untilMs;
  }

  at(atMs: number, run: () => void): void {
    this.#events.at(atMs, run);
  }

  #schedule(node: SimNode): void {
    const dueMs = node.core.nextTickMs;
    if (dueMs === undefined) return;
    const atMs = Math.max(this.#nowMs, dueMs - node.clockAheadMs + ROUNDING_MS, node.pausedUntilMs);
    if (atMs >= node.tickAtMs) return;
    node.tickAtMs = atMs;
    this.#events.at(atMs, () => {
      if (node.tickAtMs !== atMs) return;
      node.tickAtMs = Number.POSITIVE_INFINITY;
      if (node.pausedUntilMs > this.#nowMs) this.#schedule(node);
      else this.input(node, { kind: 'tick' });
    });
  }

  #carry(from: SimNode, output: Output): void {
    switch (output.kind) {
      case 'packet':
        this.#carryPacket(from, output.to, output.message);
        return;
      case 'stream':
        this.#carryStream(from, output);
        return;
      case 'fact':
        this.onFact(from, output.fact);
        return;
      case 'reply': {
        const answered = this.#owed.get(requestOf(from, output.id));
        assert(answered !== undefined, 'reply outside a request');
        this.#owed.delete(requestOf(from, output.id));
        this.#answer(from, output.message, answered);
      }
    }
  }

  #carryPacket(from: SimNode, to: Address, message: Buffer): void {
    if (this.#checkOutputs) assertHarmlessPacket(message, from.core.config.name);
    this.traffic.packets++;
    this.traffic.packetBytes += message.length;
    const { wires, random } = this;
    if (!areConnected(wires, from.address.ip, to.ip) || random() < wires.loss) return;
    const copies = wires.duplicates > 0 && random() < wires.duplicates ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#events.at(this.#nowMs + delayMs(wires, random), () => {
        const target = this.#byAddress.get(to.ip);
        if (target !== undefined) this.input(target, { kind: 'packet', from: from.address, packet: message });
      });
    }
  }

  #carryStream(from: SimNode, stream: Extract<Output, { kind: 'stream' }>): void {
    if (this.#checkOutputs) assertHarmlessStream(stream.message, from.core.config.name);
    this.traffic.streams++;
    this.traffic.streamBytes += stream.message.length;
    const { id, to, message, wantsReply, timeoutMs } = stream;
    const later = (ms: number, run: () => void) => this.#events.at(this.#nowMs + ms, run);
    const fail = (ms: number, reason: string) =>
      later(ms, () => this.input(from, { kind: 'stream-failed', id, reason }));
    const deadlineMs = this.#nowMs + timeoutMs;
    const isCut = !this.wires.streams && message[0] !== MESSAGE_TYPE.ping;
    if (isCut || !areConnected(this.wires, from.address.ip, to.ip)) {
      fail(timeoutMs, 'timed out');
      return;
    }
    later(delayMs(this.wires, this.random) * 2 + message.length / STREAM_BYTES_PER_MS, () => {
      const target = this.#byAddress.get(to.ip);
      if (target === undefined || !target.running) {
        fail(0.1, 'connection refused');
        return;
      }
      // A paused process still accepts and receives: its kernel does that.
      const waitMs = Math.max(0, target.pausedUntilMs - this.#nowMs);
      if (wantsReply && this.#nowMs + waitMs > deadlineMs) {
        fail(deadlineMs - this.#nowMs, 'timed out');
        return;
      }
      later(waitMs, () => {
        this.#request(target, message, (reply) => {
          const backMs = delayMs(this.wires, this.random) + (reply?.length ?? 0) / STREAM_BYTES_PER_MS;
          if (wantsReply && reply === undefined) fail(backMs, 'closed');
          else if (!areConnected(this.wires, from.address.ip, to.ip)) fail(timeoutMs, 'timed out');
          else later(backMs, () => this.input(from, { kind: 'stream-done', id, reply }));
        });
      });
    });
  }

  /** Hands a request to a node; `answered` hears its answer, or that there is none. */
  #request(target: SimNode, message: Buffer, answered: (reply: Buffer | undefined) => void): void {
    if (!target.running) {
      answered(undefined);
      return;
    }
    const id = this.#requests++;
    this.#owed.set(requestOf(target, id), answered);
    this.#step(target, { kind: 'request', id, message });
    if (target.core.io.owes(id) || !this.#owed.delete(requestOf(target, id))) return;
    answered(undefined);
  }

  #answer(from: SimNode, reply: Buffer, answered: (reply: Buffer) => void): void {
    if (this.#checkOutputs) assertHarmlessStream(reply, from.core.config.name);
    this.traffic.streamBytes += reply.length;
    answered(reply);
  }
}

function requestOf(node: SimNode, id: number): string {
  return `${node.core.config.name} ${id}`;
}
