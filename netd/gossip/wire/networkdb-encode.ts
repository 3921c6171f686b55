import { ByteWriter } from './byte-writer.ts';
import {
  type AttachmentEntry,
  type BulkSync,
  ENVELOPE_TYPE,
  type NetworkEvent,
  type NetworkPushPull,
  type NodeEvent,
  type TableEvent,
} from './networkdb-message.ts';

// proto3 as the reference's generator writes it: ascending field numbers, default values left out (spec gossip §13).

const EVENT_TYPE = { join: 1, leave: 2, create: 1, update: 2, delete: 3 } as const;
const BYTES = 2;

export function encodeNodeEvent(event: NodeEvent): Buffer {
  const out = new ByteWriter(64);
  varintField(out, 1, EVENT_TYPE[event.type]);
  timeField(out, 2, event.time);
  textField(out, 3, event.node);
  return out.take();
}

export function encodeNetworkEvent(event: NetworkEvent): Buffer {
  const out = new ByteWriter(80);
  varintField(out, 1, EVENT_TYPE[event.type]);
  timeField(out, 2, event.time);
  textField(out, 3, event.node);
  textField(out, 4, event.network);
  return out.take();
}

export function encodeTableEvent(event: TableEvent): Buffer {
  const out = new ByteWriter(tableEventBytes(event));
  writeTableEvent(out, event);
  return out.take();
}

export function encodeBulkSync(sync: BulkSync): Buffer {
  const out = new ByteWriter(128 + sync.networks.length * 32 + sync.payload.length);
  timeField(out, 1, sync.time);
  varintField(out, 2, sync.unsolicited ? 1 : 0);
  textField(out, 3, sync.node);
  for (const network of sync.networks) repeatedText(out, 4, network);
  bytesField(out, 5, sync.payload);
  return out.take();
}

export function encodeNetworkPushPull(state: NetworkPushPull): Buffer {
  const out = new AttachmentList(state.time, state.attachments.length);
  for (const entry of state.attachments) out.add(entry);
  return out.take(state.node);
}

/** The same written attachment by attachment, so that thousands of nodes can be told of in turns. */
export class AttachmentList {
  readonly #out: ByteWriter;

  constructor(time: bigint, expected: number) {
    this.#out = new ByteWriter(64 + expected * 48);
    timeField(this.#out, 1, time);
  }

  add(entry: AttachmentEntry): void {
    const out = this.#out;
    header(out, 2, entryBytes(entry));
    textField(out, 1, entry.network);
    timeField(out, 2, entry.time);
    textField(out, 3, entry.node);
    varintField(out, 4, entry.leaving ? 1 : 0);
  }

  /** The user state that `node` tells. The list must not be used afterwards. */
  take(node: string): Buffer {
    textField(this.#out, 3, node);
    return this.#out.take();
  }
}

/** Wraps an inner message. */
export function encodeEnvelope(type: keyof typeof ENVELOPE_TYPE, data: Uint8Array): Buffer {
  const out = new ByteWriter(12 + data.length);
  varintField(out, 1, ENVELOPE_TYPE[type]);
  bytesField(out, 2, data);
  return out.take();
}

/** What one envelope of `bytes` bytes costs inside a compound: its two headers. */
export function compoundPartOverhead(bytes: number): number {
  const simple = 1 + varintBytes(bytes) + bytes;
  return 1 + varintBytes(simple) + 1 + varintBytes(bytes);
}

/** A compound envelope around whole envelopes, in order. */
export function encodeCompoundEnvelope(envelopes: readonly Uint8Array[]): Buffer {
  const out = new ByteWriter(envelopes.reduce((sum, one) => sum + one.length + compoundPartOverhead(one.length), 0));
  for (const envelope of envelopes) compoundPart(out, envelope);
  return encodeEnvelope('compound', out.take());
}

/**
 * A compound envelope of table events, written event by event into one piece of memory: a table of a hundred thousand rows
 * is told without as many buffers. Other messages may stand before them.
 */
export class TableCompound {
  readonly #out: ByteWriter;

  constructor(expectedBytes: number) {
    this.#out = new ByteWriter(expectedBytes);
  }

  get bytes(): number {
    return this.#out.length;
  }

  /** Adds a message that is in its envelope already. */
  addEnvelope(envelope: Uint8Array): void {
    compoundPart(this.#out, envelope);
  }

  add(event: TableEvent): void {
    const out = this.#out;
    const inner = tableEventBytes(event);
    const envelope = 2 + 1 + varintBytes(inner) + inner;
    header(out, 1, 1 + varintBytes(envelope) + envelope);
    header(out, 1, envelope);
    varintField(out, 1, ENVELOPE_TYPE.tableEvent);
    header(out, 2, inner);
    writeTableEvent(out, event);
  }

  /** The envelope. The compound must not be used afterwards. */
  take(): Buffer {
    return encodeEnvelope('compound', this.#out.take());
  }
}

function compoundPart(out: ByteWriter, envelope: Uint8Array): void {
  header(out, 1, 1 + varintBytes(envelope.length) + envelope.length);
  header(out, 1, envelope.length);
  out.bytes(envelope);
}

function writeTableEvent(out: ByteWriter, event: TableEvent): void {
  varintField(out, 1, EVENT_TYPE[event.type]);
  timeField(out, 2, event.time);
  textField(out, 3, event.owner);
  textField(out, 4, event.network);
  textField(out, 5, event.table);
  textField(out, 6, event.key);
  bytesField(out, 7, event.value);
  varintField(out, 8, event.residualSec);
}

function tableEventBytes(event: TableEvent): number {
  const { owner, network, table, key, value, residualSec } = event;
  const ids = rangeBytes(owner.length) + rangeBytes(network.length) + rangeBytes(table.length) + rangeBytes(key.length);
  const residual = residualSec === 0 ? 0 : 1 + varintBytes(residualSec);
  return 2 + timeFieldBytes(event.time) + ids + rangeBytes(value.length) + residual;
}

function entryBytes(entry: AttachmentEntry): number {
  const { network, node, time, leaving } = entry;
  return rangeBytes(network.length) + timeFieldBytes(time) + rangeBytes(node.length) + (leaving ? 2 : 0);
}

/** A field of so many bytes with its header; an empty one is left out. */
function rangeBytes(length: number): number {
  return length === 0 ? 0 : 1 + varintBytes(length) + length;
}

function timeFieldBytes(time: bigint): number {
  return time === 0n ? 0 : 1 + timeBytes(time);
}

function varintField(out: ByteWriter, field: number, value: number): void {
  if (value === 0) return;
  out.u8(field << 3);
  varint(out, value);
}

function timeField(out: ByteWriter, field: number, time: bigint): void {
  if (time === 0n) return;
  out.u8(field << 3);
  if (time <= MAX_EXACT) {
    varint(out, Number(time));
    return;
  }
  let rest = time;
  for (; rest >= 0x80n; rest >>= 7n) out.u8(Number(rest & 0x7fn) | 0x80);
  out.u8(Number(rest));
}

function textField(out: ByteWriter, field: number, text: string): void {
  if (text.length === 0) return;
  repeatedText(out, field, text);
}

/** Unlike a single field, an element of a list is written even when empty. */
function repeatedText(out: ByteWriter, field: number, text: string): void {
  header(out, field, text.length);
  out.latin1(text);
}

function bytesField(out: ByteWriter, field: number, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  header(out, field, bytes.length);
  out.bytes(bytes);
}

function header(out: ByteWriter, field: number, length: number): void {
  out.u8((field << 3) | BYTES);
  varint(out, length);
}

function varint(out: ByteWriter, value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    out.u8((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.u8(rest);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function timeBytes(time: bigint): number {
  if (time <= MAX_EXACT) return varintBytes(Number(time));
  let bytes = 1;
  for (let rest = time; rest >= 0x80n; rest >>= 7n) bytes++;
  return bytes;
}

const MAX_EXACT = BigInt(Number.MAX_SAFE_INTEGER);
