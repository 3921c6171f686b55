import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { FrameReader } from '#netd/gossip/frame-reader.ts';
import { openFrame, sealFrame } from '#netd/gossip/wire/frame.ts';
import { decodeBulkSync, decodeEnvelope } from '#netd/gossip/wire/networkdb-decode.ts';
import {
  encodeBulkSync,
  encodeCompoundEnvelope,
  encodeEnvelope,
  encodeNetworkPushPull,
  encodeTableEvent,
} from '#netd/gossip/wire/networkdb-encode.ts';
import { eachMessage, openPacket, sealPacket } from '#netd/gossip/wire/packet.ts';
import { decodePushPull, encodePushPull, type NodeEntry } from '#netd/gossip/wire/push-pull.ts';
import { decodeSwim } from '#netd/gossip/wire/swim-decode.ts';
import { encodeSwim } from '#netd/gossip/wire/swim-encode.ts';
import { type Address, DOCKER_VERSIONS, MESSAGE_TYPE, NO_META } from '#netd/gossip/wire/swim-message.ts';
import { decodeUserStream, encodeUserPacket, encodeUserStream } from '#netd/gossip/wire/user-stream.ts';
import { realisticRow } from './rows.ts';

const PUSH_PULL_ATTEMPTS = 5;

/** How many and of what. */
export interface CrowdSize {
  readonly members: number;
  readonly networks: readonly string[];
  /** Rows in all networks together, owned by all members in turns. */
  readonly rows: number;
}

interface Member {
  readonly name: string;
  readonly address: Address;
}

/**
 * Thousands of members in one process, each at an address of its own in 127.0.0.0/8 and all behind one pair of sockets.
 * They answer pings, push/pulls and bulk syncs as the reference does: a whole table in one frame.
 */
export class Crowd implements AsyncDisposable {
  readonly members: readonly Member[];
  readonly #size: CrowdSize;
  readonly #key: Buffer;
  readonly #udp: Socket;
  readonly #tcp: Server;
  readonly #rows: readonly Buffer[];
  #time: bigint;
  #seqNo = 1;
  #version = 0;
  /** Of the members that had to object to a suspicion. */
  readonly #incarnations = new Map<string, number>();
  /** Bulk syncs that came to us, asked for and answers. */
  received = { requests: 0, answers: 0, pushPulls: 0, rows: 0, bytes: 0 };

  private constructor(size: CrowdSize, key: Buffer, udp: Socket, tcp: Server) {
    this.#size = size;
    this.#key = key;
    this.#udp = udp;
    this.#tcp = tcp;
    const { port } = tcp.address() as AddressInfo;
    this.members = Array.from({ length: size.members }, (_, index) => ({
      name: (0xa00000000000 + index).toString(16),
      address: { ip: `127.1.${(index + 1) >> 8}.${(index + 1) & 255}`, port },
    }));
    this.#rows = Array.from({ length: size.rows }, (_, index) => this.#rowEvent(index, BigInt(index + 1)));
    this.#time = BigInt(size.rows + 1);
    udp.on('message', (datagram, remote) => this.#packet(datagram, { ip: remote.address, port: remote.port }));
    udp.on('error', () => undefined);
    tcp.on('connection', (socket) => {
      const reader = new FrameReader();
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        this.received.bytes += chunk.length;
        const frame = reader.push(chunk);
        if (frame === undefined) return;
        const reply = this.#request(openFrame(frame, [this.#key]), socket.localAddress ?? '');
        if (reply === undefined) socket.end();
        else socket.end(this.#frame(reply));
      });
    });
  }

  static async start(size: CrowdSize, key: Buffer): Promise<Crowd> {
    const tcp = createServer({ noDelay: true }).listen(0, '0.0.0.0');
    await once(tcp, 'listening');
    const udp = createSocket('udp4').bind((tcp.address() as AddressInfo).port, '0.0.0.0');
    await once(udp, 'listening');
    return new Crowd(size, key, udp, tcp);
  }

  /** One member pings the node, as one does each second in a cluster of any size. */
  ping(node: Member): void {
    const member = this.#member(this.#seqNo);
    const source = { ...member.address, node: member.name };
    this.#send(node.address, encodeSwim({ kind: 'ping', seqNo: this.#seqNo++, node: node.name, source }), false);
  }

  /** Some member says that a row changed, `copies` times as gossip does. */
  gossip(node: Member, copies: number): void {
    const index = this.#version++ % this.#size.rows;
    const event = this.#rowEvent(index, this.#time++);
    const packet = encodeUserPacket(encodeCompoundEnvelope([event]));
    for (let copy = 0; copy < copies; copy++) this.#send(node.address, packet, true);
  }

  /**
   * One member exchanges its whole state with the node. Resolves when the answer is there. The node closes what takes longer
   * than ten seconds in all, as it may where others want the processors: it is asked again then, as peers do.
   */
  async pushPull(node: Member): Promise<void> {
    for (let attempt = 1; attempt <= PUSH_PULL_ATTEMPTS; attempt++) if (await this.#exchanged(node)) return;
    throw new Error(`no answer to ${PUSH_PULL_ATTEMPTS} push/pulls`);
  }

  async #exchanged(node: Member): Promise<boolean> {
    const socket = connect({ host: node.address.ip, port: node.address.port, noDelay: true });
    socket.write(this.#frame(this.#state(false)));
    const reader = new FrameReader();
    for await (const chunk of socket) {
      const frame = reader.push(chunk as Buffer);
      if (frame === undefined) continue;
      decodePushPull(openFrame(frame, [this.#key]));
      return true;
    }
    return false;
  }

  /** One member sends the node all its rows and asks for the node's. */
  bulkSync(node: Member): Promise<void> {
    return this.#sendRows(node.address, this.#member(this.#seqNo++), true, this.#size.networks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
  }

  #member(index: number): Member {
    const member = this.members[index % this.members.length];
    if (member === undefined) throw new Error('a crowd of nobody');
    return member;
  }

  #incarnationOf(name: string): number {
    return this.#incarnations.get(name) ?? 1;
  }

  #rowEvent(index: number, time: bigint): Buffer {
    const network = this.#size.networks[index % this.#size.networks.length] ?? '';
    const row = realisticRow(index);
    const owner = this.#member(index).name;
    return encodeEnvelope(
      'tableEvent',
      encodeTableEvent({ type: 'create', time, owner, network, residualSec: 0, ...row }),
    );
  }

  #send(to: Address, message: Buffer, crc: boolean): void {
    this.#udp.send(sealPacket(message, crc, this.#key, randomBytes(12)), to.port, to.ip);
  }

  #frame(message: Buffer): Buffer {
    return sealFrame(message, this.#key, randomBytes(12));
  }

  #packet(datagram: Buffer, from: Address): void {
    const visit = (bytes: Buffer) => {
      if (bytes[0] === MESSAGE_TYPE.user) return;
      const message = decodeSwim(bytes);
      if (message?.kind === 'suspect') this.#object(message.node, from);
      if (message?.kind !== 'ping') return;
      this.#send(message.source ?? from, encodeSwim({ kind: 'ack', seqNo: message.seqNo }), false);
    };
    eachMessage(openPacket(datagram, [this.#key]), visit, (error) => {
      throw error;
    });
  }

  /** A process that makes 20 MB of rows may miss a ping; the accused says so, as real ones do. */
  #object(name: string, to: Address): void {
    const member = this.members.find((one) => one.name === name);
    if (member === undefined) return;
    const incarnation = this.#incarnationOf(name) + 1;
    this.#incarnations.set(name, incarnation);
    const { ip, port } = member.address;
    const news = { node: name, incarnation, ip, port, meta: NO_META, versions: DOCKER_VERSIONS };
    this.#send(to, encodeSwim({ kind: 'alive', ...news }), false);
  }

  #request(message: Buffer, localIp: string): Buffer | undefined {
    if (message[0] === MESSAGE_TYPE.pushPull) {
      this.received.pushPulls++;
      return this.#state(decodePushPull(message).join);
    }
    if (message[0] === MESSAGE_TYPE.ping) {
      const ping = decodeSwim(message);
      return ping?.kind === 'ping' ? encodeSwim({ kind: 'ack', seqNo: ping.seqNo }) : undefined;
    }
    const { data, kind } = decodeEnvelope(decodeUserStream(message));
    if (kind !== 'bulkSync') return undefined;
    const sync = decodeBulkSync(data);
    if (!sync.unsolicited) this.received.answers++;
    else {
      this.received.requests++;
      const member = this.members.find(({ address }) => address.ip === localIp);
      if (member !== undefined && this.answerTo !== undefined) {
        this.#sendRows(this.answerTo, member, false, sync.networks).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** Where bulk syncs that were asked for go: the node's advertised address. */
  answerTo: Address | undefined;

  #state(join: boolean): Buffer {
    const nodes: NodeEntry[] = this.members.map(({ name, address }) => ({
      name,
      ...address,
      meta: NO_META,
      versions: DOCKER_VERSIONS,
      incarnation: this.#incarnationOf(name),
      state: 'alive',
    }));
    const { name: node } = this.#member(0);
    const attachments = this.members.flatMap(({ name }) =>
      this.#size.networks.map((network) => ({ network, time: 1n, node: name, leaving: false })),
    );
    const userState = encodeEnvelope('pushPull', encodeNetworkPushPull({ time: 2n, node, attachments }));
    return encodePushPull({ join, nodes, userState }, node);
  }

  async #sendRows(to: Address, from: Member, unsolicited: boolean, networks: readonly string[]): Promise<void> {
    const wanted = new Set(this.#size.networks.flatMap((network, i) => (networks.includes(network) ? [i] : [])));
    const rows = this.#rows.filter((_, index) => wanted.has(index % this.#size.networks.length));
    const payload = encodeCompoundEnvelope(rows);
    const sync = encodeBulkSync({ time: this.#time++, unsolicited, node: from.name, networks: [...networks], payload });
    const socket = connect({ host: to.ip, port: to.port, localAddress: from.address.ip, noDelay: true });
    socket.end(this.#frame(encodeUserStream(encodeEnvelope('bulkSync', sync))));
    socket.resume();
    await once(socket, 'close');
  }
}
