import assert from 'node:assert/strict';
import { type Random, seededRandom } from '#base/random.ts';
import { Core, type Input } from '#netd/gossip/core.ts';
import { FrameReader } from '#netd/gossip/frame-reader.ts';
import { decodeEndpoint, decodeOverlayPeer } from '#netd/gossip/records.ts';
import { decodeCompound } from '#netd/gossip/wire/compound.ts';
import { decompress } from '#netd/gossip/wire/compress.ts';
import { DecodeError } from '#netd/gossip/wire/decode-error.ts';
import { frameLength, openFrame } from '#netd/gossip/wire/frame.ts';
import { GOLDEN_WORLD, golden } from '#netd/gossip/wire/golden-vectors.ts';
import {
  decodeBulkSync,
  decodeEnvelope,
  decodeNetworkEvent,
  decodeNetworkPushPull,
  decodeNodeEvent,
  decodeTableEvent,
  eachInCompound,
} from '#netd/gossip/wire/networkdb-decode.ts';
import { encodeEnvelope, encodeNetworkEvent } from '#netd/gossip/wire/networkdb-encode.ts';
import { eachMessage, openPacket } from '#netd/gossip/wire/packet.ts';
import { decodePushPull } from '#netd/gossip/wire/push-pull.ts';
import { open, seal } from '#netd/gossip/wire/seal.ts';
import { decodeErr, decodeSwim } from '#netd/gossip/wire/swim-decode.ts';
import { encodeSwim } from '#netd/gossip/wire/swim-encode.ts';
import { DOCKER_VERSIONS, MAX_U32, NO_META } from '#netd/gossip/wire/swim-message.ts';
import { decodeUserStream, encodeUserPacket } from '#netd/gossip/wire/user-stream.ts';
import { assertHarmlessPacket, assertHarmlessStream } from './harmless.ts';

const { key, nonce, network, nodeA, nodeB, ipA, ipB, port } = GOLDEN_WORLD;
const PEER = { ip: ipB, port };
/** Inputs one core lives through: long enough for odd states to build up, short enough to replay. */
const CORE_LIFE = 20_000;
/** Simulated time between two inputs. */
const STEP_MS = 30;

/** Everything that reads bytes of strangers, fed directly: through the core the inner ones are reached only by lucky inputs. */
const DECODERS: readonly ((input: Buffer) => unknown)[] = [
  (input) => openPacket(input, [key]),
  (input) => openPacket(seal(input, key, nonce), [key]),
  (input) => open(input, [key], { allowPadded: true }),
  frameLength,
  (input) => openFrame(input, [key]),
  (input) => decompress(input, 1 << 20),
  decodeCompound,
  decodeSwim,
  decodeErr,
  decodePushPull,
  decodeUserStream,
  decodeEnvelope,
  decodeNodeEvent,
  decodeNetworkEvent,
  decodeTableEvent,
  decodeBulkSync,
  (input) => decodeNetworkPushPull(input, () => undefined),
  (input) => [...eachInCompound(input)],
  decodeEndpoint,
  decodeOverlayPeer,
];

/** Every way bytes can come in. Only a DecodeError may come out, and nothing that harms a peer. */
export class FuzzTarget {
  #core: Core | undefined;
  #nowMs = 0;
  #life = 0;
  #seed: number;
  /** For what is not the core's. */
  readonly #random: Random;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
  }

  /** Members, rows and queued messages held at the moment: what must not grow without bound. */
  get held(): number {
    if (this.#core === undefined) return 0;
    const { swim, db } = this.#core;
    return (
      swim.state.members.size +
      db.state.rows.size +
      db.state.peers.size +
      swim.state.queue.size +
      db.pendingBroadcasts()
    );
  }

  run(input: Buffer): void {
    for (const decode of DECODERS) quietly(() => decode(input));
    this.#inPieces(input);
    const header = Buffer.from([10, 0, 0, 0, 0]);
    header.writeUInt32BE(input.length + 29, 1);
    quietly(() => openFrame(Buffer.concat([header, seal(input, key, nonce, header)]), [key]));
    if (this.#core !== undefined) this.#reviveB(this.#core);
    this.#step({ kind: 'packet', from: PEER, packet: input });
    this.#step({ kind: 'packet', from: PEER, packet: encodeUserPacket(input) });
    this.#step({ kind: 'request', id: this.#life, message: input });
    this.#nowMs += STEP_MS;
    this.#step({ kind: 'tick' });
  }

  /** A stream's bytes come in pieces of any size: how they are cut must make no difference. */
  #inPieces(input: Buffer): void {
    const whole = outcome(() => new FrameReader().push(input));
    const reader = new FrameReader();
    const pieces = outcome(() => {
      for (let at = 0; at < input.length; ) {
        // Small pieces where the header is, then larger ones.
        const end =
          at < 8 ? at + 1 + Math.floor(this.#random() * 3) : at + 1 + Math.floor(this.#random() * input.length);
        const frame = reader.push(input.subarray(at, end));
        if (frame !== undefined) return frame;
        at = end;
      }
      return undefined;
    });
    assert.deepEqual(pieces, whole);
    assert(reader.receivedBytes <= input.length);
  }

  #step(input: Input): void {
    if (this.#core === undefined || this.#life++ > CORE_LIFE) this.#start();
    const { outputs = [] } = this.#core?.step(this.#nowMs, input) ?? {};
    for (const output of outputs) {
      if (output.kind === 'packet') {
        assertHarmlessPacket(output.message, nodeA);
        this.#answerPings(output.message);
      }
      if (output.kind === 'reply') assertHarmlessStream(output.message, nodeA);
      else if (output.kind === 'stream') {
        assertHarmlessStream(output.message, nodeA);
        // Streams of ours end badly or with what just came in, in turns.
        const { id } = output;
        const reply = 'message' in input && id % 2 === 0 ? input.message : undefined;
        if (reply === undefined) this.#step({ kind: 'stream-failed', id, reason: 'fuzz' });
        else this.#step({ kind: 'stream-done', id, reply });
      }
    }
  }

  /** Node B stays alive: what a dead node says is not listened to. */
  #answerPings(packet: Buffer): void {
    eachMessage(
      packet,
      (bytes) => {
        const message = decodeSwim(bytes);
        if (message?.kind !== 'ping' || message.node !== nodeB) return;
        const ack = encodeSwim({ kind: 'ack', seqNo: message.seqNo });
        this.#step({ kind: 'packet', from: PEER, packet: ack });
      },
      () => undefined,
    );
  }

  /** Node B is back, whatever the last inputs said of it: most vectors are its, and a dead node is not listened to. */
  #reviveB(core: Core): void {
    const { swim, db } = core;
    const member = swim.state.members.get(nodeB);
    if (member?.state !== 'alive') {
      const incarnation = Math.min(MAX_U32, (member?.incarnation ?? 0) + 1);
      const alive = {
        kind: 'alive',
        node: nodeB,
        incarnation,
        ...PEER,
        meta: NO_META,
        versions: DOCKER_VERSIONS,
      } as const;
      core.step(this.#nowMs, { kind: 'packet', from: PEER, packet: encodeSwim(alive) });
    }
    if (db.state.rosters.get(network)?.has(nodeB)) return;
    const time = (db.state.attachments.get(nodeB)?.get(network)?.time ?? 0n) + 1n;
    const join = encodeEnvelope('networkEvent', encodeNetworkEvent({ type: 'join', time, node: nodeB, network }));
    core.step(this.#nowMs, { kind: 'packet', from: PEER, packet: encodeUserPacket(join) });
  }

  /** A core that knows node B, shares the golden network with it, and has rows: mutated vectors find something there. */
  #start(): void {
    this.#life = 1;
    this.#nowMs = 0;
    const config = { name: nodeA, address: { ip: ipA, port }, packetBytes: 1400 };
    const core = new Core(config, 0, seededRandom(this.#seed++));
    this.#core = core;
    core.step(0, { kind: 'attach', network });
    core.step(0, { kind: 'publish', network, table: 'endpoint_table', key: 'k', value: golden('G44'), as: 'create' });
  }
}

function quietly(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}

/** What came out, or the refusal in words. */
function outcome<T>(decode: () => T): T | string {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return error.message;
  }
}
