import { atOnce } from './at-once.ts';
import { ByteWriter } from './byte-writer.ts';
import { DecodeError } from './decode-error.ts';
import { MsgpackReader } from './msgpack-read.ts';
import { writeBool, writeBytes, writeMapHeader, writeText, writeUint } from './msgpack-write.ts';
import { address, ownBytes, requiredName, versions } from './swim-decode.ts';
import { wireIp, writeMeta, writeVersions } from './swim-encode.ts';
import { SwimFields } from './swim-fields.ts';
import { MESSAGE_TYPE } from './swim-message.ts';

/** Limits of memberlist 0.6 (spec gossip §8.3): a million entries, 20 MiB of user state. */
const MAX_NODES = 1 << 20;
const MAX_USER_STATE_BYTES = 20 * 1024 * 1024;
/** Nodes written between two pauses. */
const STEP_NODES = 1000;

/** State of a node in a push/pull entry: the number on the wire is the index. */
export const NODE_STATES = ['alive', 'suspect', 'dead', 'left'] as const;
export type NodeState = (typeof NODE_STATES)[number];

export interface NodeEntry {
  readonly name: string;
  readonly ip: string;
  readonly port: number;
  readonly meta: Uint8Array;
  readonly incarnation: number;
  readonly state: NodeState;
  /** Six bytes, or none from a peer that sent none. */
  readonly versions: Uint8Array;
}

export interface PushPull {
  readonly join: boolean;
  readonly nodes: readonly NodeEntry[];
  readonly userState: Buffer;
}

/**
 * A push/pull message with its type byte (spec gossip §8.3).
 *
 * @param ownName the sender: its own empty Meta is written as an empty string, everybody else's as nil
 */
export function encodePushPull(state: PushPull, ownName: string): Buffer {
  return atOnce(encodePushPullSteps(state, ownName));
}

/** The same with a pause every few milliseconds. */
export function* encodePushPullSteps(state: PushPull, ownName: string): Generator<void, Buffer> {
  const out = new ByteWriter(64 + state.nodes.length * 80 + state.userState.length);
  out.u8(MESSAGE_TYPE.pushPull);
  writeMapHeader(out, 3);
  writeText(out, 'Join');
  writeBool(out, state.join);
  writeText(out, 'Nodes');
  writeUint(out, state.nodes.length);
  writeText(out, 'UserStateLen');
  writeUint(out, state.userState.length);
  for (const [index, node] of state.nodes.entries()) {
    if (index > 0 && index % STEP_NODES === 0) yield;
    writeEntry(out, node, node.name === ownName);
  }
  out.bytes(state.userState);
  return out.take();
}

/** Reads a push/pull message; entries a peer could crash others with (short versions, odd addresses) are left out. */
export function decodePushPull(bytes: Buffer): PushPull {
  const { join, content } = readPushPull(bytes);
  const nodes: NodeEntry[] = [];
  for (;;) {
    const next = content.next();
    if (next.done) return { join, nodes, userState: next.value };
    nodes.push(next.value);
  }
}

/** A push/pull message of which only the header has been read. */
export interface PushPullReader {
  readonly join: boolean;
  /** How many entries are announced: a claim. */
  readonly announced: number;
  /** The entries one by one, and in the end the user state. Throws DecodeError where they cannot be read. */
  readonly content: Generator<NodeEntry, Buffer>;
}

/** The same entry by entry: thousands of them are read in turns. */
export function readPushPull(bytes: Buffer): PushPullReader {
  const reader = new MsgpackReader(bytes, 1);
  const header = new SwimFields(reader);
  if (header.Nodes > MAX_NODES) throw new DecodeError(`push/pull of ${header.Nodes} nodes`, 1);
  if (header.UserStateLen > MAX_USER_STATE_BYTES) {
    throw new DecodeError(`user state of ${header.UserStateLen} bytes`, 1);
  }
  return { join: header.Join, announced: header.Nodes, content: readContent(reader, header) };
}

function* readContent(reader: MsgpackReader, header: SwimFields): Generator<NodeEntry, Buffer> {
  // The count is a claim: the loop ends with the bytes, whatever was announced, and nothing is allocated ahead.
  for (let i = 0; i < header.Nodes; i++) {
    const entry = readEntry(new SwimFields(reader));
    if (entry !== undefined) yield entry;
  }
  const { bytes, offset } = reader;
  const end = offset + header.UserStateLen;
  if (end > bytes.length) throw new DecodeError(`user state of ${header.UserStateLen} bytes cut short`, offset);
  return bytes.subarray(offset, end);
}

function writeEntry(out: ByteWriter, node: NodeEntry, own: boolean): void {
  writeMapHeader(out, 7);
  writeText(out, 'Addr');
  writeBytes(out, wireIp(node.ip));
  writeText(out, 'Incarnation');
  writeUint(out, node.incarnation);
  writeMeta(out, node.meta, own);
  writeText(out, 'Name');
  writeText(out, node.name);
  writeText(out, 'Port');
  writeUint(out, node.port);
  writeText(out, 'State');
  writeUint(out, NODE_STATES.indexOf(node.state));
  writeVersions(out, node.versions);
}

function readEntry(fields: SwimFields): NodeEntry | undefined {
  const state = NODE_STATES[fields.State];
  if (state === undefined) return undefined;
  try {
    return {
      name: requiredName(fields.Name),
      ...address(fields.Addr, fields.Port),
      meta: ownBytes(fields.Meta),
      incarnation: fields.Incarnation,
      state,
      versions: versions(fields.Vsn),
    };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
