import assert from 'node:assert/strict';
import { seededRandom } from '#base/random.ts';
import { Core, type Input } from './core.ts';
import type { Fact, Output } from './io.ts';
import type { RowChange } from './networkdb/rows.ts';
import {
  decodeEnvelope,
  decodeNetworkPushPull,
  decodeTableEvent,
  type Envelope,
  eachInCompound,
} from './wire/networkdb-decode.ts';
import {
  encodeBulkSync,
  encodeCompoundEnvelope,
  encodeEnvelope,
  encodeNetworkEvent,
  encodeNetworkPushPull,
  encodeTableEvent,
} from './wire/networkdb-encode.ts';
import type { AttachmentEntry, TableEvent } from './wire/networkdb-message.ts';
import { eachMessage } from './wire/packet.ts';
import { decodePushPull, encodePushPull, type NodeEntry } from './wire/push-pull.ts';
import { decodeSwim } from './wire/swim-decode.ts';
import { encodeSwim } from './wire/swim-encode.ts';
import {
  type Address,
  type AliveMessage,
  DOCKER_VERSIONS,
  MESSAGE_TYPE,
  NO_META,
  type SwimMessage,
} from './wire/swim-message.ts';
import { decodeUserStream, encodeUserPacket, encodeUserStream } from './wire/user-stream.ts';

// A stage for one core: the test plays all its peers, owns the time, and sees everything it does.

export const PORT = 7946;
export const NET = 'q1x7c9v2b4n6m8k0j3h5g7f9d';
export const SELF = { name: '3f9a1c0d7e21', address: { ip: '10.0.0.11', port: PORT } } as const;

export interface Sent {
  readonly atMs: number;
  readonly to: Address;
  readonly crc: boolean;
  readonly bytes: Buffer;
  /** Every message in the packet, unwrapped, in order. */
  readonly messages: readonly Buffer[];
}

type Stream = Extract<Output, { kind: 'stream' }> & { readonly atMs: number };
/** What a played peer does with a stream: a reply, nothing (but it was received), or an error. */
export type StreamPlay = (stream: Stream) => Buffer | undefined | 'fail' | 'hang';

/** The n-th played peer: a name and an address. */
export function peerOf(index: number): { readonly name: string; readonly address: Address } {
  return { name: `b7702e6f55${index.toString(16).padStart(2, '0')}`, address: { ip: `10.0.1.${index}`, port: PORT } };
}

export function aliveOf(index: number, change: Partial<AliveMessage> = {}): AliveMessage {
  const { name, address } = peerOf(index);
  return { kind: 'alive', node: name, incarnation: 1, ...address, meta: NO_META, versions: DOCKER_VERSIONS, ...change };
}

export class Stage {
  readonly core: Core;
  readonly sent: Sent[] = [];
  readonly streams: Stream[] = [];
  readonly facts: Fact[] = [];
  readonly changes: RowChange[] = [];
  play: StreamPlay = () => 'fail';
  /** Which played peers answer pings over UDP. */
  isAlive: (index: number) => boolean = () => true;
  nowMs = 0;
  #replies = new Map<number, Buffer>();
  #requests = 1;

  constructor(seed = 1) {
    this.core = new Core({ ...SELF, packetBytes: 1400 }, 0, seededRandom(seed));
  }

  input(input: Input): void {
    const { outputs, changes } = this.core.step(this.nowMs, input);
    this.changes.push(...changes);
    for (const output of outputs) this.#take(output);
  }

  /** Lets time pass, running what is due at its own moment. */
  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const nextMs = this.core.nextTickMs;
      if (nextMs === undefined || nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.input({ kind: 'tick' });
    }
    this.nowMs = untilMs;
  }

  /** A packet from a peer, holding one message or a ready-made one. */
  packet(from: number, message: SwimMessage | Buffer): void {
    const packet = Buffer.isBuffer(message) ? message : encodeSwim(message);
    this.input({ kind: 'packet', from: peerOf(from).address, packet });
  }

  /** A NetworkDB message from a peer, in a packet. */
  user(from: number, envelope: Uint8Array): void {
    this.packet(from, encodeUserPacket(envelope));
  }

  /** A message on a stream; what was answered. */
  request(message: Buffer): Buffer | undefined {
    const id = this.#requests++;
    this.input({ kind: 'request', id, message });
    // A large state takes several steps to be told.
    while (this.core.io.owes(id)) this.input({ kind: 'tick' });
    const reply = this.#replies.get(id);
    this.#replies.delete(id);
    return reply;
  }

  /** Makes peers 1..count known and alive, each attached to `networks`. */
  meet(count: number, networks: readonly string[] = []): void {
    for (let index = 1; index <= count; index++) {
      this.packet(index, aliveOf(index));
      for (const network of networks) this.user(index, joinNetwork(index, network, 1n));
    }
  }

  /** All messages sent from `sinceMs` on, decoded as SWIM where they are. */
  messages(sinceMs = 0): { readonly to: Address; readonly atMs: number; readonly message: SwimMessage }[] {
    return this.sent
      .filter((sent) => sent.atMs >= sinceMs)
      .flatMap(({ to, atMs, messages }) =>
        messages.flatMap((bytes) => {
          const message = decodeSwim(bytes);
          return message === undefined ? [] : [{ to, atMs, message }];
        }),
      );
  }

  /** All NetworkDB envelopes sent in packets from `sinceMs` on, taken out of their compounds. */
  envelopes(
    sinceMs = 0,
  ): { readonly to: Address; readonly atMs: number; readonly envelope: Envelope; readonly bytes: Buffer }[] {
    return this.sent
      .filter((sent) => sent.atMs >= sinceMs)
      .flatMap(({ to, atMs, messages }) =>
        messages
          .filter((bytes) => bytes[0] === MESSAGE_TYPE.user)
          .flatMap((bytes) => flatten(bytes.subarray(1)))
          .map((bytes) => ({ to, atMs, bytes, envelope: decodeEnvelope(bytes) })),
      );
  }

  tableEvents(sinceMs = 0): { readonly to: Address; readonly atMs: number; readonly event: TableEvent }[] {
    return this.envelopes(sinceMs)
      .filter(({ envelope }) => envelope.kind === 'tableEvent')
      .map(({ to, atMs, envelope }) => ({ to, atMs, event: decodeTableEvent(envelope.data) }));
  }

  memberState(index: number): string | undefined {
    return this.core.swim.state.members.get(peerOf(index).name)?.state;
  }

  row(
    key: string,
    table = 'endpoint_table',
  ): { readonly value: string; readonly deleted: boolean; readonly time: bigint } | undefined {
    const row = this.core.db.state.rows.get(NET, table, key);
    return row && { value: Buffer.from(row.value).toString(), deleted: row.deleted, time: row.time };
  }

  publish(key: string, value: string | Buffer, as: 'create' | 'update' = 'create'): void {
    this.input({
      kind: 'publish',
      network: NET,
      table: 'endpoint_table',
      key,
      value: typeof value === 'string' ? Buffer.from(value) : value,
      as,
    });
  }

  #answerPings(to: Address, messages: readonly Buffer[]): void {
    const index = Number(/^10\.0\.1\.(\d+)$/.exec(to.ip)?.[1] ?? 0);
    if (index === 0 || !this.isAlive(index)) return;
    for (const bytes of messages) {
      const message = decodeSwim(bytes);
      if (message?.kind === 'ping') this.packet(index, { kind: 'ack', seqNo: message.seqNo });
    }
  }

  #take(output: Output): void {
    switch (output.kind) {
      case 'packet': {
        const messages: Buffer[] = [];
        eachMessage(
          output.message,
          (message) => messages.push(message),
          (error) => assert.fail(error),
        );
        this.sent.push({ atMs: this.nowMs, to: output.to, crc: output.crc, bytes: output.message, messages });
        this.#answerPings(output.to, messages);
        return;
      }
      case 'stream': {
        const stream = { ...output, atMs: this.nowMs };
        this.streams.push(stream);
        const reply = this.play(stream);
        if (reply === 'hang') return;
        if (reply === 'fail') this.input({ kind: 'stream-failed', id: output.id, reason: 'refused' });
        else this.input({ kind: 'stream-done', id: output.id, reply });
        return;
      }
      case 'reply':
        this.#replies.set(output.id, output.message);
        return;
      case 'fact':
        this.facts.push(output.fact);
    }
  }
}

export function joinNetwork(index: number, network: string, time: bigint): Buffer {
  return networkEvent('join', index, network, time);
}

export function networkEvent(type: 'join' | 'leave', index: number, network: string, time: bigint): Buffer {
  return encodeEnvelope('networkEvent', encodeNetworkEvent({ type, time, node: peerOf(index).name, network }));
}

export function tableEvent(
  index: number,
  change: Partial<Omit<TableEvent, 'value'>> & { value?: string } = {},
): Buffer {
  const { value = 'v', ...rest } = change;
  const event: TableEvent = {
    type: 'create',
    time: 5n,
    owner: peerOf(index).name,
    network: NET,
    table: 'endpoint_table',
    key: 'k',
    residualSec: rest.type === 'delete' ? 1800 : 0,
    ...rest,
    value: Buffer.from(value),
  };
  return encodeEnvelope('tableEvent', encodeTableEvent(event));
}

export function bulkSync(
  index: number,
  events: readonly Buffer[],
  change: { time?: bigint; unsolicited?: boolean; networks?: readonly string[]; node?: string } = {},
): Buffer {
  const sync = {
    time: 50n,
    unsolicited: false,
    node: peerOf(index).name,
    networks: [NET],
    ...change,
    payload: encodeCompoundEnvelope(events),
  };
  return encodeUserStream(encodeEnvelope('bulkSync', encodeBulkSync(sync)));
}

export function pushPull(
  index: number,
  nodes: readonly NodeEntry[],
  attachments: readonly AttachmentEntry[] = [],
  { join = false, time = 1n } = {},
): Buffer {
  const state = encodeNetworkPushPull({ time, node: peerOf(index).name, attachments });
  return encodePushPull({ join, nodes, userState: encodeEnvelope('pushPull', state) }, peerOf(index).name);
}

export function entryOf(index: number, change: Partial<NodeEntry> = {}): NodeEntry {
  const { node: name, incarnation, ip, port, meta, versions } = aliveOf(index);
  return { name, incarnation, ip, port, meta, versions, state: 'alive', ...change };
}

/** The bulk sync in a stream, if it holds one. */
export function bulkOf(stream: { readonly message: Buffer }): Envelope | undefined {
  if (stream.message[0] !== MESSAGE_TYPE.user) return undefined;
  const envelope = decodeEnvelope(decodeUserStream(stream.message));
  return envelope.kind === 'bulkSync' ? envelope : undefined;
}

/** Table events in a bulk sync's payload. */
export function eventsIn(payload: Buffer): TableEvent[] {
  return flatten(payload).flatMap((bytes) => {
    const { kind, data } = decodeEnvelope(bytes);
    return kind === 'tableEvent' ? [decodeTableEvent(data)] : [];
  });
}

function flatten(bytes: Buffer): Buffer[] {
  const { kind, data } = decodeEnvelope(bytes);
  return kind === 'compound' ? [...eachInCompound(data)].flatMap(flatten) : [bytes];
}

/** A stage on the network, with `count` peers on it, after the excitement of meeting has passed. */
export function attached(count: number): Stage {
  const stage = new Stage();
  stage.input({ kind: 'attach', network: NET });
  stage.meet(count, [NET]);
  stage.run(6000);
  return stage;
}

export function roster(stage: Stage): string[] {
  return [...(stage.core.db.state.rosters.get(NET) ?? [])].sort();
}

export function attachmentsOf(state: Buffer) {
  const found: { network: string; node: string; leaving: boolean }[] = [];
  decodeNetworkPushPull(decodeEnvelope(decodePushPull(state).userState).data, (entry) => found.push(entry));
  return found;
}
