import { DecodeError } from './decode-error.ts';
import type {
  AttachmentEntry,
  BulkSync,
  ENVELOPE_TYPE,
  LamportTime,
  NetworkEvent,
  NetworkPushPull,
  NodeEvent,
  TableEvent,
} from './networkdb-message.ts';
import { ProtoReader } from './protobuf-read.ts';

/** An inner message still in its bytes, with what it claims to be. */
export interface Envelope {
  readonly kind: keyof typeof ENVELOPE_TYPE;
  readonly data: Buffer;
}

/** Beyond this a clock is poisoned: it would overflow in somebody's hands (spec gossip §2). */
const MAX_TIME: LamportTime = 2n ** 63n;
/** Names a bulk sync may ask for (spec gossip §14.12). */
const MAX_BULK_NETWORKS = 4096;
/** Node names, network ids and table names: Docker's have 12 to 25 characters, and they are kept. */
const MAX_ID_BYTES = 255;
/** A row key is an endpoint id of 64 characters; a key of 64 kB is somebody's experiment. */
const MAX_KEY_BYTES = 1024;
/** A row's value is about 130 bytes; it may be large but not able to fill memory row by row. */
const MAX_VALUE_BYTES = 64 * 1024;
/** What is left of a tombstone that says it has less than nothing left: the next reaping takes it. */
const EXPIRED_SEC = 1;

export function decodeEnvelope(bytes: Buffer): Envelope {
  const reader = new ProtoReader(bytes);
  let type = 0;
  let data: Buffer = EMPTY;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) type = reader.small();
    else if (field === 2) data = reader.range();
    else reader.skip();
  }
  const kind = ENVELOPE_KINDS[type];
  if (kind === undefined) throw new DecodeError(`unknown NetworkDB message ${type}`, 0);
  return { kind, data };
}

export function decodeNodeEvent(data: Buffer): NodeEvent {
  const reader = new ProtoReader(data);
  let type = 0;
  let time = 0n;
  let node = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) type = reader.small();
    else if (field === 2) time = reader.uint64();
    else if (field === 3) node = reader.latin1();
    else reader.skip();
  }
  return { type: joinOrLeave(type), time: checkTime(time), node: id(node) };
}

export function decodeNetworkEvent(data: Buffer): NetworkEvent {
  const reader = new ProtoReader(data);
  let type = 0;
  let time = 0n;
  let node = '';
  let network = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) type = reader.small();
    else if (field === 2) time = reader.uint64();
    else if (field === 3) node = reader.latin1();
    else if (field === 4) network = reader.latin1();
    else reader.skip();
  }
  return { type: joinOrLeave(type), time: checkTime(time), node: id(node), network: id(network) };
}

/** A table event; `value` is a view into `data`. */
export function decodeTableEvent(data: Buffer): TableEvent {
  const reader = new ProtoReader(data);
  let type = 0;
  let time = 0n;
  let owner = '';
  let network = '';
  let table = '';
  let key = '';
  let value: Buffer = EMPTY;
  let residualSec = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) type = reader.small();
    else if (field === 2) time = reader.uint64();
    else if (field === 3) owner = reader.latin1();
    else if (field === 4) network = reader.latin1();
    else if (field === 5) table = reader.latin1();
    else if (field === 6) key = reader.latin1();
    else if (field === 7) value = reader.range();
    else if (field === 8) residualSec = reader.int32();
    else reader.skip();
  }
  const kind = TABLE_EVENTS[type];
  if (kind === undefined) throw new DecodeError(`unknown table event ${type}`, 0);
  if (key.length > MAX_KEY_BYTES) throw new DecodeError(`key of ${key.length} bytes`, 0);
  if (value.length > MAX_VALUE_BYTES) throw new DecodeError(`value of ${value.length} bytes`, 0);
  return {
    type: kind,
    time: checkTime(time),
    owner: id(owner),
    network: id(network),
    table: id(table),
    key,
    value,
    // None at all means half an hour (spec gossip §14.5); less than none is a tombstone whose time is over.
    residualSec: residualSec < 0 ? EXPIRED_SEC : residualSec,
  };
}

/** A bulk sync; `payload` is a view into `data`. Empty and over-long network names are left out. */
export function decodeBulkSync(data: Buffer): BulkSync & { readonly payload: Buffer } {
  const reader = new ProtoReader(data);
  let time = 0n;
  let unsolicited = false;
  let node = '';
  const networks: string[] = [];
  let payload: Buffer = EMPTY;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) time = reader.uint64();
    else if (field === 2) unsolicited = reader.bool();
    else if (field === 3) node = reader.latin1();
    else if (field === 4) {
      const network = reader.latin1();
      if (network !== '' && network.length <= MAX_ID_BYTES && networks.length < MAX_BULK_NETWORKS) {
        networks.push(network);
      }
    } else if (field === 5) payload = reader.range();
    else reader.skip();
  }
  return { time: checkTime(time), unsolicited, node: id(node), networks, payload };
}

/** Push/pull user state; `entry` is called for each attachment in turn. */
export function decodeNetworkPushPull(
  data: Buffer,
  entry: (attachment: AttachmentEntry) => void,
): Omit<NetworkPushPull, 'attachments'> {
  const attachments = readNetworkPushPull(data);
  for (;;) {
    const next = attachments.next();
    if (next.done) return next.value;
    entry(next.value);
  }
}

/** The same attachment by attachment: ten thousand names of strangers need not be held at once to be ignored. */
export function* readNetworkPushPull(data: Buffer): Generator<AttachmentEntry, Omit<NetworkPushPull, 'attachments'>> {
  const reader = new ProtoReader(data);
  let time = 0n;
  let node = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) time = reader.uint64();
    else if (field === 2) yield decodeEntry(reader.range());
    else if (field === 3) node = reader.latin1();
    else reader.skip();
  }
  return { time: checkTime(time), node: id(node) };
}

/** The envelopes in a compound, as views, one after the other. */
export function* eachInCompound(data: Buffer): Generator<Buffer, void> {
  const reader = new ProtoReader(data);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) yield decodeSimple(reader.range());
    else reader.skip();
  }
}

function decodeSimple(bytes: Buffer): Buffer {
  const reader = new ProtoReader(bytes);
  let payload: Buffer = EMPTY;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) payload = reader.range();
    else reader.skip();
  }
  return payload;
}

function decodeEntry(bytes: Buffer): AttachmentEntry {
  const reader = new ProtoReader(bytes);
  let network = '';
  let time = 0n;
  let node = '';
  let leaving = false;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) network = reader.latin1();
    else if (field === 2) time = reader.uint64();
    else if (field === 3) node = reader.latin1();
    else if (field === 4) leaving = reader.bool();
    else reader.skip();
  }
  return { network: id(network), time: checkTime(time), node: id(node), leaving };
}

function checkTime(time: LamportTime): LamportTime {
  if (time > MAX_TIME) throw new DecodeError(`poisoned Lamport time ${time}`, 0);
  return time;
}

function id(text: string): string {
  if (text === '' || text.length > MAX_ID_BYTES) throw new DecodeError(`name of ${text.length} bytes`, 0);
  return text;
}

function joinOrLeave(type: number): 'join' | 'leave' {
  if (type === 1) return 'join';
  if (type === 2) return 'leave';
  throw new DecodeError(`unknown event type ${type}`, 0);
}

const EMPTY = Buffer.alloc(0);
const ENVELOPE_KINDS: readonly (keyof typeof ENVELOPE_TYPE | undefined)[] = [
  undefined,
  'networkEvent',
  'tableEvent',
  'pushPull',
  'bulkSync',
  'compound',
  'nodeEvent',
];
const TABLE_EVENTS: readonly (TableEvent['type'] | undefined)[] = [undefined, 'create', 'update', 'delete'];
