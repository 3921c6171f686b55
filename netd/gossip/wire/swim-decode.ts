import { DecodeError } from './decode-error.ts';
import { ipText } from './ip.ts';
import { MsgpackReader } from './msgpack-read.ts';
import { SwimFields } from './swim-fields.ts';
import { type Address, MESSAGE_TYPE, NO_META, type Source, type SwimMessage, VERSIONS_BYTES } from './swim-message.ts';

/** The port of every gossip node that does not say otherwise. */
export const DEFAULT_PORT = 7946;
/** Names are 12 characters in Docker; a name is kept for as long as the node is, so it is bounded. */
export const MAX_NAME_BYTES = 255;

/**
 * One SWIM message with its type byte, or undefined when the type is not one of the SWIM structs. Bytes after the struct
 * are ignored, as the reference does. Byte fields are views into `bytes` only while decoding; what is returned is its own.
 */
export function decodeSwim(bytes: Buffer): SwimMessage | undefined {
  const type = bytes[0];
  switch (type) {
    case MESSAGE_TYPE.ping: {
      const fields = read(bytes);
      return { kind: 'ping', seqNo: fields.SeqNo, node: name(fields.Node), source: source(fields) };
    }
    case MESSAGE_TYPE.indirectPing: {
      const fields = read(bytes);
      return {
        kind: 'indirectPing',
        seqNo: fields.SeqNo,
        target: address(fields.Target, fields.Port),
        node: name(fields.Node),
        nack: fields.Nack,
        source: source(fields),
      };
    }
    case MESSAGE_TYPE.ack:
      return { kind: 'ack', seqNo: read(bytes).SeqNo };
    case MESSAGE_TYPE.nack:
      return { kind: 'nack', seqNo: read(bytes).SeqNo };
    case MESSAGE_TYPE.suspect:
    case MESSAGE_TYPE.dead: {
      const fields = read(bytes);
      return {
        kind: type === MESSAGE_TYPE.suspect ? 'suspect' : 'dead',
        node: requiredName(fields.Node),
        incarnation: fields.Incarnation,
        from: name(fields.From),
      };
    }
    case MESSAGE_TYPE.alive: {
      const fields = read(bytes);
      return {
        kind: 'alive',
        node: requiredName(fields.Node),
        incarnation: fields.Incarnation,
        ...address(fields.Addr, fields.Port),
        meta: ownBytes(fields.Meta),
        versions: versions(fields.Vsn),
      };
    }
    default:
      return undefined;
  }
}

/** The text of an err reply (type 13). */
export function decodeErr(bytes: Buffer): string {
  return read(bytes).Error;
}

export function requiredName(text: string): string {
  if (text === '') throw new DecodeError('node without a name', 1);
  return name(text);
}

export function address(bytes: Buffer, port: number): Address {
  const ip = ipText(bytes);
  if (ip === undefined) throw new DecodeError(`address of ${bytes.length} bytes`, 1);
  return { ip, port: port === 0 ? DEFAULT_PORT : port };
}

/** Six version bytes, or none. Peers that keep 1 to 5 bytes crash on them, so such a message must never be passed on. */
export function versions(bytes: Buffer): Uint8Array {
  if (bytes.length === 0) return NO_META;
  if (bytes.length < VERSIONS_BYTES) throw new DecodeError(`versions of ${bytes.length} bytes`, 1);
  return Buffer.from(bytes.subarray(0, VERSIONS_BYTES));
}

/** Most memberlist users put little here and Docker nothing; 512 is memberlist's own limit for Meta. */
const MAX_META_BYTES = 512;

export function ownBytes(bytes: Buffer): Uint8Array {
  if (bytes.length === 0) return NO_META;
  if (bytes.length > MAX_META_BYTES) throw new DecodeError(`meta of ${bytes.length} bytes`, 1);
  return Buffer.from(bytes);
}

function read(bytes: Buffer): SwimFields {
  return new SwimFields(new MsgpackReader(bytes, 1));
}

function name(text: string): string {
  if (text.length > MAX_NAME_BYTES) throw new DecodeError(`name of ${text.length} bytes`, 1);
  return text;
}

/** Only a complete source replaces the datagram's (spec gossip §10.5). */
function source(fields: SwimFields): Source | undefined {
  if (fields.SourceAddr.length === 0 || fields.SourcePort === 0) return undefined;
  return { ...address(fields.SourceAddr, fields.SourcePort), node: name(fields.SourceNode) };
}
