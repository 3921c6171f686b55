import { closeSync } from 'node:fs';
import { ipBytes } from '../gossip/wire/ip.ts';
import { errnoName, KernelError } from '../kernel/errors.ts';
import { callLibc } from '../kernel/libc.ts';
import { inNamespace } from '../kernel/netns.ts';
import type { SocketAddress } from '../kernel/ns-sockets.ts';
import {
  AF_INET,
  ARENA_BYTES,
  BATCH,
  datagramMemory,
  IOV_BASE,
  IOV_LEN,
  IOVEC_WORDS,
  MMSGHDR_WORDS,
  MSG_FLAGS,
  MSG_LEN,
  MSG_NAME,
  MSG_NAMELEN,
  type PollHandle,
  SLOT_BYTES,
  SOCKADDR_BYTES,
  SOCKADDR_IN6_BYTES,
  setPointer,
} from './datagram-memory.ts';
import type { Room } from './reply.ts';

/**
 * UDP sockets that take and send many datagrams with one system call, recvmmsg(2) and sendmmsg(2). A resolver does little
 * for each datagram, so that the calls, and what `dgram` makes for each datagram, would be most of its cost. Here a turn with
 * one datagram takes three calls (poll, receive, send) and one with sixty-four takes no more.
 */

/** Of bits/socket.h and asm-generic/socket.h; the same on x86-64 and arm64. */
const AF_INET6 = 10;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const EAGAIN = 11;

/** Batches one socket takes before others get their turn: a container that floods its resolver is not alone here. */
const MAX_BATCHES_PER_TURN = 4;
/** Sends that follow from failed sends: three servers, and a word to the client. */
const MAX_ROUNDS = 8;
/** Bursts of queries wait here while something else has its turn: about 2000 of them. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;

/** Told of what comes in. `bytes` may only be used during the call. */
export interface DatagramHandler {
  /** @param peer the sender, for `send`; @param cut the datagram was longer than this */
  readonly received: (bytes: Buffer, start: number, end: number, peer: number, cut: boolean) => void;
  /** An ICMP answer to something sent (on a connected socket), or a send the kernel refused. */
  readonly failed: (error: Error) => void;
}

/** Peer of a connected socket. */
export const CONNECTED = 0;

let arenaUsed = 0;
/** Sockets with something in the arena. */
const unsent = new Set<DatagramSocket>();
/** Told only when everything is sent: who hears of a failure may want to send. */
let failures: (() => void)[] = [];

export class DatagramSocket {
  readonly #native = datagramMemory();
  readonly #fd: number;
  readonly #poll: PollHandle;
  readonly #handler: DatagramHandler;
  /** What waits in the arena: offset, length and peer of each. */
  readonly #queue: number[] = [];
  #closed = false;

  private constructor(fd: number, handler: DatagramHandler) {
    this.#fd = fd;
    this.#handler = handler;
    try {
      this.#poll = this.#native.poll(fd, this.#ready);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
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
    const libc = datagramMemory();
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
    return new DatagramSocket(fd, handler);
  }

  get port(): number {
    const sockaddr = Buffer.alloc(SOCKADDR_IN6_BYTES);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(sockaddr.length);
    callLibc('getsockname', 'getsockname', this.#fd, sockaddr, length);
    return sockaddr.readUInt16BE(2);
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
    this.#poll.close();
    closeSync(this.#fd);
  }

  /** What is left after some batches is reported again, after whoever else has something. */
  #receive(): void {
    for (let batches = 0; batches < MAX_BATCHES_PER_TURN && !this.#closed; batches++) if (this.#take() < BATCH) break;
    sendAll();
  }

  /**
   * Called by the event loop itself, not through Node: nobody would catch what is thrown, and promises settled here go on
   * with the next thing that Node calls.
   */
  readonly #ready = (status: number): void => {
    try {
      this.#receive();
      // An error, such as an ICMP answer, ends the watch. It is told by the next call on the socket, which was just made.
      if (status !== 0 && !this.#closed) this.#poll.start(this.#ready);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  };

  #take(): number {
    const { recvmmsg, errno, receive, slots } = this.#native;
    const { headers, names } = receive;
    const count = recvmmsg(this.#fd, receive.address, BATCH, MSG_DONTWAIT, null);
    if (count < 0) {
      const code = errno();
      if (code !== EAGAIN) this.#handler.failed(new KernelError(errnoName(code), 'recvmmsg'));
      return 0;
    }
    // The kernel has put the length of the name there, which may be more than there is room.
    for (let i = 0; i < count; i++) headers[i * MMSGHDR_WORDS + MSG_NAMELEN] = SOCKADDR_BYTES;
    for (let i = 0; i < count && !this.#closed; i++) {
      const header = i * MMSGHDR_WORDS;
      const name = i * SOCKADDR_BYTES;
      const start = i * SLOT_BYTES;
      const length = headers[header + MSG_LEN] ?? 0;
      const isCut = ((headers[header + MSG_FLAGS] ?? 0) & MSG_TRUNC) !== 0;
      const peer = names.readUInt32BE(name + 4) * 0x10000 + names.readUInt16BE(name + 2);
      this.#handler.received(slots, start, start + length, peer, isCut);
    }
    return count;
  }

  /** Sends the queue. What the kernel does not take is lost, as datagrams are. */
  flush(): void {
    const { sendmmsg, errno, send } = this.#native;
    const queue = this.#queue;
    let at = 0;
    while (at < queue.length) {
      const count = Math.min(BATCH, (queue.length - at) / 3);
      this.#fill(at, count);
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
    const { arenaAddress, send } = this.#native;
    const { headers, iovecs, names, namesAddress } = send;
    for (let i = 0; i < count; i++) {
      const offset = this.#queue[at + 3 * i] ?? 0;
      const peer = this.#queue[at + 3 * i + 2] ?? CONNECTED;
      const header = i * MMSGHDR_WORDS;
      const name = i * SOCKADDR_BYTES;
      if (peer === CONNECTED) {
        setPointer(headers, header + MSG_NAME, 0);
        headers[header + MSG_NAMELEN] = 0;
      } else {
        setPointer(headers, header + MSG_NAME, namesAddress + name);
        headers[header + MSG_NAMELEN] = SOCKADDR_BYTES;
        names.writeUInt16BE(peer % 0x10000, name + 2);
        names.writeUInt32BE(Math.floor(peer / 0x10000), name + 4);
      }
      setPointer(iovecs, i * IOVEC_WORDS + IOV_BASE, arenaAddress + offset);
      iovecs[i * IOVEC_WORDS + IOV_LEN] = this.#queue[at + 3 * i + 1] ?? 0;
    }
  }
}

/** Room for a datagram of up to `limit` bytes. The next call gives the same room again, unless it was sent. */
export function sendRoom(limit: number): Room {
  if (arenaUsed + limit > ARENA_BYTES) flushAll();
  return { out: datagramMemory().arena, at: arenaUsed, limit };
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

/** struct sockaddr_in or sockaddr_in6 (netinet/in.h). */
function sockaddrOf(address: string, port: number): Buffer {
  const ip = ipBytes(address);
  if (ip === undefined) throw new KernelError('EINVAL', `not a numeric address: ${address}`);
  const isV4 = ip.length === 4;
  const sockaddr = Buffer.alloc(isV4 ? SOCKADDR_BYTES : SOCKADDR_IN6_BYTES);
  sockaddr.writeUInt16LE(isV4 ? AF_INET : AF_INET6, 0);
  sockaddr.writeUInt16BE(port, 2);
  sockaddr.set(ip, isV4 ? 4 : 8);
  return sockaddr;
}
