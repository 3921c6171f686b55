import assert from 'node:assert/strict';
import { ByteWriter } from './byte-writer.ts';
import { ipBytes } from './ip.ts';
import { writeBool, writeBytes, writeMapHeader, writeNil, writeText, writeUint } from './msgpack-write.ts';
import {
  type AliveMessage,
  type ClaimMessage,
  type IndirectPingMessage,
  MESSAGE_TYPE,
  type PingMessage,
  type Source,
  type SwimMessage,
  VERSIONS_BYTES,
} from './swim-message.ts';

/**
 * One SWIM message with its type byte; keys in ascending order (spec gossip §6).
 *
 * @param ownMeta true when the message is about the sending node: Go writes its own empty Meta as an empty string and
 *   everybody else's as nil, and so do we.
 */
export function encodeSwim(message: SwimMessage, ownMeta = false): Buffer {
  switch (message.kind) {
    case 'ping':
      return encodePing(message);
    case 'indirectPing':
      return encodeIndirectPing(message);
    case 'ack':
    case 'nack':
      return encodeAnswer(message.kind, message.seqNo);
    case 'alive':
      return encodeAlive(message, ownMeta);
    case 'suspect':
    case 'dead':
      return encodeClaim(message);
  }
}

/** An err reply (type 13); only ever sent on a TCP stream. */
export function encodeErr(text: string): Buffer {
  const out = start(MESSAGE_TYPE.err, 1);
  writeText(out, 'Error');
  writeText(out, text);
  return out.take();
}

/** Address bytes; a name that is no address here is a mistake of ours, not of a peer. */
export function wireIp(ip: string): Buffer {
  const bytes = ipBytes(ip);
  assert(bytes !== undefined, `not an address: ${ip}`);
  return bytes;
}

/** Writes Vsn. Any length but six would crash class A peers (spec gossip §6), so it stops here. */
export function writeVersions(out: ByteWriter, versions: Uint8Array): void {
  assert(versions.length === VERSIONS_BYTES, `versions must be ${VERSIONS_BYTES} bytes, not ${versions.length}`);
  writeText(out, 'Vsn');
  writeBytes(out, versions);
}

export function writeMeta(out: ByteWriter, meta: Uint8Array, ownMeta: boolean): void {
  writeText(out, 'Meta');
  if (meta.length === 0 && !ownMeta) writeNil(out);
  else writeBytes(out, meta);
}

function start(type: number, pairs: number): ByteWriter {
  const out = new ByteWriter(160);
  out.u8(type);
  writeMapHeader(out, pairs);
  return out;
}

function encodePing(message: PingMessage): Buffer {
  const out = start(MESSAGE_TYPE.ping, message.source === undefined ? 2 : 5);
  writeText(out, 'Node');
  writeText(out, message.node);
  writeText(out, 'SeqNo');
  writeUint(out, message.seqNo);
  if (message.source !== undefined) writeSource(out, message.source);
  return out.take();
}

function encodeIndirectPing(message: IndirectPingMessage): Buffer {
  const out = start(MESSAGE_TYPE.indirectPing, message.source === undefined ? 5 : 8);
  writeText(out, 'Nack');
  writeBool(out, message.nack);
  writeText(out, 'Node');
  writeText(out, message.node);
  writeText(out, 'Port');
  writeUint(out, message.target.port);
  writeText(out, 'SeqNo');
  writeUint(out, message.seqNo);
  if (message.source !== undefined) writeSource(out, message.source);
  writeText(out, 'Target');
  writeBytes(out, wireIp(message.target.ip));
  return out.take();
}

function writeSource(out: ByteWriter, source: Source): void {
  writeText(out, 'SourceAddr');
  writeBytes(out, wireIp(source.ip));
  writeText(out, 'SourceNode');
  writeText(out, source.node);
  writeText(out, 'SourcePort');
  writeUint(out, source.port);
}

function encodeAnswer(kind: 'ack' | 'nack', seqNo: number): Buffer {
  const out = start(MESSAGE_TYPE[kind], kind === 'ack' ? 2 : 1);
  if (kind === 'ack') {
    writeText(out, 'Payload');
    writeNil(out);
  }
  writeText(out, 'SeqNo');
  writeUint(out, seqNo);
  return out.take();
}

function encodeClaim(message: ClaimMessage): Buffer {
  const out = start(MESSAGE_TYPE[message.kind], 3);
  writeText(out, 'From');
  writeText(out, message.from);
  writeText(out, 'Incarnation');
  writeUint(out, message.incarnation);
  writeText(out, 'Node');
  writeText(out, message.node);
  return out.take();
}

function encodeAlive(message: AliveMessage, ownMeta: boolean): Buffer {
  const out = start(MESSAGE_TYPE.alive, 6);
  writeText(out, 'Addr');
  writeBytes(out, wireIp(message.ip));
  writeText(out, 'Incarnation');
  writeUint(out, message.incarnation);
  writeMeta(out, message.meta, ownMeta);
  writeText(out, 'Node');
  writeText(out, message.node);
  writeText(out, 'Port');
  writeUint(out, message.port);
  writeVersions(out, message.versions);
  return out.take();
}
