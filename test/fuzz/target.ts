import { seededRandom } from '#base/random.ts';
import { Core, type Input } from '#netd/gossip/core.ts';
import { decodeEndpoint, decodeOverlayPeer } from '#netd/gossip/records.ts';
import { decompress } from '#netd/gossip/wire/compress.ts';
import { DecodeError } from '#netd/gossip/wire/decode-error.ts';
import { frameLength, openFrame } from '#netd/gossip/wire/frame.ts';
import { GOLDEN_WORLD, golden } from '#netd/gossip/wire/golden-vectors.ts';
import { encodeEnvelope, encodeNetworkEvent } from '#netd/gossip/wire/networkdb-encode.ts';
import { eachMessage, openPacket } from '#netd/gossip/wire/packet.ts';
import { open, seal } from '#netd/gossip/wire/seal.ts';
import { decodeSwim } from '#netd/gossip/wire/swim-decode.ts';
import { encodeSwim } from '#netd/gossip/wire/swim-encode.ts';
import { DOCKER_VERSIONS, MAX_U32, NO_META } from '#netd/gossip/wire/swim-message.ts';
import { encodeUserPacket } from '#netd/gossip/wire/user-stream.ts';
import { assertHarmlessPacket, assertHarmlessStream } from './harmless.ts';

const { key, nonce, network, nodeA, nodeB, ipA, ipB, port } = GOLDEN_WORLD;
const PEER = { ip: ipB, port };
/** Inputs one core lives through: long enough for odd states to build up, short enough to replay. */
const CORE_LIFE = 20_000;
/** Simulated time between two inputs. */
const STEP_MS = 30;

/** Every way bytes can come in. Only a DecodeError may come out, and nothing that harms a peer. */
export class FuzzTarget {
  #core: Core | undefined;
  #nowMs = 0;
  #life = 0;
  #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
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
    quietly(() => openPacket(input, [key]));
    quietly(() => openPacket(seal(input, key, nonce), [key]));
    quietly(() => open(input, [key], { allowPadded: true }));
    quietly(() => frameLength(input));
    quietly(() => openFrame(input, [key]));
    quietly(() => decompress(input, 1 << 20));
    decodeEndpoint(input);
    decodeOverlayPeer(input);
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
