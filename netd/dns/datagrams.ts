import { createSocket, type Socket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { ipBytes } from '../gossip/wire/ip.ts';
import { errnoName, KernelError } from '../kernel/errors.ts';
import { loadKoffi, type NativeFunction } from '../kernel/native.ts';
import { inNamespace } from '../kernel/netns.ts';
import type { SocketAddress } from '../kernel/ns-sockets.ts';
import type { Room } from './reply.ts';

/**
 * UDP sockets that take and send many datagrams with one system call, recvmmsg(2) and sendmmsg(2). A resolver does little
 * for each datagram, so that the calls are most of its cost: one call each, as `dgram` makes, would halve its speed.
 * `dgram` owns the descriptor and tells when there is something to read.
 */

/** Of bits/socket.h and asm-generic/socket.h; the same on x86-64 and arm64. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const EAGAIN = 11;

/** Datagrams taken or sent with one call. */
const BATCH = 64;
/** Batches one socket takes before others get their turn: a container that floods its resolver is not alone here. */
const MAX_BATCHES_PER_TURN = 4;
/** Longest datagram taken whole: requests have 512 bytes at most, replies rarely more than the 1232 or 4096 that clients allow. */
const SLOT_BYTES = 4096;
/** Replies that wait for the end of the batch; the longest one fits. */
const ARENA_BYTES = 512 * 1024;
/** Sends that follow from failed sends: three servers, and a word to the client. */
const MAX_ROUNDS = 8;
/** Bursts of queries wait here while something else has its turn: about 2000 of them. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;

/** struct mmsghdr, struct iovec and struct sockaddr_in of the 64-bit ABIs. */
const MMSGHDR_BYTES = 64;
const IOVEC_BYTES = 16;
const SOCKADDR_BYTES = 16;

/** Told of what comes in. `bytes` may only be used during the call. */
export interface DatagramHandler {
  /** @param peer the sender, for `send`; @param cut the datagram was longer than this */
  readonly received: (bytes: Buffer, start: number, end: number, peer: number, cut: boolean) => void;
  /** An ICMP answer to something sent (on a connected socket), or a send the kernel refused. */
  readonly failed: (error: Error) => void;
}

/** Peer of a connected socket. */
export const CONNECTED = 0;

interface Native {
  readonly socket: NativeFunction;
  readonly bind: NativeFunction;
  readonly connect: NativeFunction;
  readonly setsockopt: NativeFunction;
  readonly recvmmsg: NativeFunction;
  readonly sendmmsg: NativeFunction;
  readonly errno: () => number;
  readonly receive: Vector;
  readonly send: Vector;
  /** Data of datagrams taken: a slot each. */
  readonly slots: Buffer;
  /** Data of datagrams to send. */
  readonly arena: Buffer;
  readonly arenaAddress: bigint;
}

/** An array of struct mmsghdr with what it points to. */
interface Vector {
  readonly address: bigint;
  readonly headers: Buffer;
  readonly iovecs: Buffer;
  readonly names: Buffer;
  readonly namesAddress: bigint;
}

let native: Native | undefined;
let arenaUsed = 0;
/** Sockets with something in the arena. */
const unsent = new Set<DatagramSocket>();
/** Told only when everything is sent: who hears of a failure may want to send. */
let failures: (() => void)[] = [];

export class DatagramSocket {
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #handler: DatagramHandler;
  /** What waits in the arena: offset, length and peer of each. */
  readonly #queue: number[] = [];
  #batchesLeft = MAX_BATCHES_PER_TURN;
  #closed = false;

  private constructor(fd: number, family: number, handler: DatagramHandler) {
    this.#fd = fd;
    this.#handler = handler;
    this.#socket = createSocket(family === AF_INET ? 'udp4' : 'udp6');
    try {
      this.#socket.bind({ fd });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#socket.on('message', (bytes, { address, port }) => this.#readable(bytes, peerOf(address, port)));
    this.#socket.on('error', (error) => {
      handler.failed(error);
      sendAll();
    });
  }

  /**
   * An IPv4 socket at an address in the namespace at `path`; port 0 is a free one.
   *
   * @throws KernelError
   */
  static listen(path: string, at: SocketAddress, handler: DatagramHandler): DatagramSocket {
    return DatagramSocket.#open(path, 'bind', at, handler);
  }

  /**
   * A socket that speaks with one peer only: answers of others never arrive, and an ICMP error does.
   *
   * @param path of the namespace; undefined for this process's own
   * @throws KernelError, at once when there is no route
   */
  static connect(path: string | undefined, to: SocketAddress, handler: DatagramHandler): DatagramSocket {
    return DatagramSocket.#open(path, 'connect', to, handler);
  }

  static #open(
    path: string | undefined,
    call: 'bind' | 'connect',
    at: SocketAddress,
    handler: DatagramHandler,
  ): DatagramSocket {
    const libc = load();
    const sockaddr = sockaddrOf(at.address, at.port);
    const family = sockaddr.readUInt16LE(0);
    const open = () => libc.socket(family, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
    const fd = path === undefined ? open() : inNamespace(path, open);
    if (fd < 0) throw new KernelError(errnoName(libc.errno()), 'socket');
    const size = Buffer.alloc(4);
    size.writeInt32LE(RECEIVE_BUFFER_BYTES);
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length); // without it the buffer is just smaller
    if (libc[call](fd, sockaddr, sockaddr.length) < 0) {
      const errno = errnoName(libc.errno());
      closeSync(fd);
      throw new KernelError(errno, `${call} udp ${at.address}:${at.port}`);
    }
    return new DatagramSocket(fd, family, handler);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Sends what was written at the start of a room from `room`. It leaves at the end of the batch under way, or with `sendAll`. */
  send(room: Room, length: number, peer: number): void {
    if (this.#closed) return; // its descriptor may be another socket's by now
    arenaUsed = room.at + length;
    this.#queue.push(room.at, length, peer);
    unsent.add(this);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.length = 0;
    unsent.delete(this);
    this.#socket.close();
  }

  /** The first of a batch has come by `dgram`, whatever else has arrived is taken in one go. */
  #readable(bytes: Buffer, peer: number): void {
    this.#handler.received(bytes, 0, bytes.length, peer, false);
    while (this.#mayTake() && this.#take() === BATCH);
    sendAll();
  }

  /** libuv reports up to 32 datagrams in a turn, each of which leads here. */
  #mayTake(): boolean {
    if (this.#closed || this.#batchesLeft === 0) return false;
    if (this.#batchesLeft === MAX_BATCHES_PER_TURN) {
      setImmediate(() => {
        this.#batchesLeft = MAX_BATCHES_PER_TURN;
      });
    }
    this.#batchesLeft--;
    return true;
  }

  #take(): number {
    const { recvmmsg, receive, slots } = load();
    const { headers, names } = receive;
    for (let i = 0; i < BATCH; i++) headers.writeUInt32LE(SOCKADDR_BYTES, i * MMSGHDR_BYTES + 8); // overwritten each time
    const count = recvmmsg(this.#fd, receive.address, BATCH, MSG_DONTWAIT, null);
    if (count < 0) {
      const errno = load().errno();
      if (errno !== EAGAIN) this.#handler.failed(new KernelError(errnoName(errno), 'recvmmsg'));
      return 0;
    }
    for (let i = 0; i < count && !this.#closed; i++) {
      const header = i * MMSGHDR_BYTES;
      const name = i * SOCKADDR_BYTES;
      const start = i * SLOT_BYTES;
      const length = headers.readUInt32LE(header + 56);
      const isCut = (headers.readInt32LE(header + 48) & MSG_TRUNC) !== 0;
      const peer = names.readUInt32BE(name + 4) * 0x10000 + names.readUInt16BE(name + 2);
      this.#handler.received(slots, start, start + length, peer, isCut);
    }
    return count;
  }

  /** Sends the queue. What the kernel does not take is lost, as datagrams are. */
  flush(): void {
    const queue = this.#queue;
    let at = 0;
    while (at < queue.length) {
      const count = Math.min(BATCH, (queue.length - at) / 3);
      this.#fill(at, count);
      const { sendmmsg, send, errno } = load();
      const sent = sendmmsg(this.#fd, send.address, count, MSG_DONTWAIT);
      if (sent < 0) {
        const error = new KernelError(errnoName(errno()), 'sendmmsg');
        failures.push(() => this.#handler.failed(error));
      }
      at += 3 * Math.max(1, sent); // the one that failed is left out
    }
    queue.length = 0;
  }

  #fill(at: number, count: number): void {
    const { arenaAddress, send } = load();
    const { headers, iovecs, names, namesAddress } = send;
    for (let i = 0; i < count; i++) {
      const [offset = 0, length = 0, peer = 0] = [
        this.#queue[at + 3 * i],
        this.#queue[at + 3 * i + 1],
        this.#queue[at + 3 * i + 2],
      ];
      const header = i * MMSGHDR_BYTES;
      const name = i * SOCKADDR_BYTES;
      const isConnected = peer === CONNECTED;
      headers.writeBigUInt64LE(isConnected ? 0n : namesAddress + BigInt(name), header);
      headers.writeUInt32LE(isConnected ? 0 : SOCKADDR_BYTES, header + 8);
      if (!isConnected) {
        names.writeUInt16BE(peer % 0x10000, name + 2);
        names.writeUInt32BE(Math.floor(peer / 0x10000), name + 4);
      }
      iovecs.writeBigUInt64LE(arenaAddress + BigInt(offset), i * IOVEC_BYTES);
      iovecs.writeUInt32LE(length, i * IOVEC_BYTES + 8);
    }
  }
}

/** Room for a datagram of up to `limit` bytes. The next call gives the same room again, unless it was sent. */
export function sendRoom(limit: number): Room {
  if (arenaUsed + limit > ARENA_BYTES) flushAll();
  return { out: load().arena, at: arenaUsed, limit };
}

/** Sends whatever waits, on all sockets: called at the end of each batch and after anything sent outside of one. */
export function sendAll(): void {
  // What fails is sent elsewhere, at most once for each server there is.
  for (let round = 0; round < MAX_ROUNDS && unsent.size > 0; round++) {
    flushAll();
    const told = failures;
    failures = [];
    for (const tell of told) tell();
  }
}

function flushAll(): void {
  for (const socket of unsent) socket.flush();
  unsent.clear();
  arenaUsed = 0;
}

/** IPv4 address and port as one number (48 bits): no object for each datagram. */
function peerOf(address: string, port: number): number {
  const ip = ipBytes(address);
  return ip?.length === 4 ? ip.readUInt32BE(0) * 0x10000 + port : CONNECTED;
}

/** struct sockaddr_in or sockaddr_in6 (netinet/in.h). */
function sockaddrOf(address: string, port: number): Buffer {
  const ip = ipBytes(address);
  if (ip === undefined) throw new KernelError('EINVAL', `not a numeric address: ${address}`);
  const isV4 = ip.length === 4;
  const sockaddr = Buffer.alloc(isV4 ? SOCKADDR_BYTES : 28);
  sockaddr.writeUInt16LE(isV4 ? AF_INET : AF_INET6, 0);
  sockaddr.writeUInt16BE(port, 2);
  sockaddr.set(ip, isV4 ? 4 : 8);
  return sockaddr;
}

function load(): Native {
  native ??= allocate();
  return native;
}

interface Memory {
  readonly alloc: (type: 'uint8_t', length: number) => bigint;
  readonly view: (address: bigint, length: number) => ArrayBuffer;
}

function allocate(): Native {
  const koffi = loadKoffi();
  const libc = koffi.load(null);
  const memory = koffi as unknown as Memory;
  const block = (bytes: number) => {
    const address = memory.alloc('uint8_t', bytes);
    const buffer = Buffer.from(memory.view(address, bytes));
    return { address, buffer: buffer.fill(0) };
  };
  const slots = block(BATCH * SLOT_BYTES);
  const arena = block(ARENA_BYTES);
  const vector = (): Vector => {
    const [headers, iovecs, names] = [MMSGHDR_BYTES, IOVEC_BYTES, SOCKADDR_BYTES].map((bytes) => block(BATCH * bytes));
    if (headers === undefined || iovecs === undefined || names === undefined) throw new RangeError('no memory');
    for (let i = 0; i < BATCH; i++) {
      const header = i * MMSGHDR_BYTES;
      headers.buffer.writeBigUInt64LE(names.address + BigInt(i * SOCKADDR_BYTES), header); // msg_name
      headers.buffer.writeBigUInt64LE(iovecs.address + BigInt(i * IOVEC_BYTES), header + 16); // msg_iov
      headers.buffer.writeBigUInt64LE(1n, header + 24); // msg_iovlen
      iovecs.buffer.writeBigUInt64LE(slots.address + BigInt(i * SLOT_BYTES), i * IOVEC_BYTES); // iov_base
      iovecs.buffer.writeBigUInt64LE(BigInt(SLOT_BYTES), i * IOVEC_BYTES + 8); // iov_len
      names.buffer.writeUInt16LE(AF_INET, i * SOCKADDR_BYTES);
    }
    return {
      address: headers.address,
      headers: headers.buffer,
      iovecs: iovecs.buffer,
      names: names.buffer,
      namesAddress: names.address,
    };
  };
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    bind: libc.func('int bind(int fd, const void *address, unsigned int length)'),
    connect: libc.func('int connect(int fd, const void *address, unsigned int length)'),
    setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, unsigned int length)'),
    recvmmsg: libc.func('int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)'),
    sendmmsg: libc.func('int sendmmsg(int fd, void *messages, unsigned int count, int flags)'),
    errno: () => koffi.errno(),
    receive: vector(),
    send: vector(),
    slots: slots.buffer,
    arena: arena.buffer,
    arenaAddress: arena.address,
  };
}
