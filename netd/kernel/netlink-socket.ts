import { closeSync } from 'node:fs';
import pLimit from 'p-limit';
import { errnoName, isKernelErrno, KernelError } from './errors.ts';
import { callLibc, libc, libcErrno } from './libc.ts';
import type { NativeArgument } from './native.ts';
import { inNamespace } from './netns.ts';

/** linux/netlink.h, linux/socket.h */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** Answers to one batch wait in the socket until they are read: some 1 KiB of kernel memory each. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
/** The kernel fills datagrams of a dump up to 32 KiB (net/netlink/af_netlink.c, netlink_dump). */
export const LARGEST_DATAGRAM = 64 * 1024;

/** A gigabyte of the largest tables; more than any kernel has to say. */
const MOST_DRAINED = 32_768;

/**
 * Calls into the kernel at once, of all sockets. They run on Node's pool of four threads, which files and name lookups need
 * too; and most of them wait for the same lock of the kernel (RTNL) anyway.
 */
const MOST_CALLS = 2;
const lane = pLimit(MOST_CALLS);

/** For answers that are received at once, of all sockets: each is decoded before anything else runs. */
let received: Buffer | undefined;

/**
 * A netlink socket, made in a namespace. The kernel carries a request out within `send`, and its answer can
 * then be received. Both may wait: for a lock others hold, or, when links end, for every processor to have let go of them, up
 * to a tenth of a second. So they run beside the main thread. One exchange at a time.
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  #isOpen = true;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * For requests.
   *
   * @param namespace file of the network namespace; undefined for that of this process
   * @param protocol NETLINK_*
   * @throws KernelError; `namespace-gone` as in `inNamespace`
   */
  static open(namespace: string | undefined, protocol: number): NetlinkSocket {
    return NetlinkSocket.#create(namespace, protocol, (fd) => {
      setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
      setOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
      setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
      // Without it the kernel ignores the filters of dumps (since Linux 4.20). Other families know nothing of it.
      if (protocol === NETLINK_ROUTE) setOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    });
  }

  /**
   * For what the kernel tells by itself.
   *
   * @param groups multicast groups of the protocol
   * @throws KernelError; `namespace-gone` as in `inNamespace`
   */
  static listen(namespace: string, protocol: number, groups: readonly number[]): NetlinkSocket {
    return NetlinkSocket.#create(namespace, protocol, (fd) => {
      // sockaddr_nl: family u16, pad u16, port u32 (0: any), groups u32. A socket without a port is passed over.
      const address = Buffer.alloc(12);
      address.writeUInt16LE(AF_NETLINK);
      callLibc('bind netlink socket', 'bind', fd, address, address.length);
      for (const group of groups) setOption(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
    });
  }

  static #create(namespace: string | undefined, protocol: number, configure: (fd: number) => void): NetlinkSocket {
    const create = () =>
      callLibc(`netlink socket ${protocol}`, 'socket', AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    const fd = namespace === undefined ? create() : inNamespace(namespace, create);
    try {
      configure(fd);
      return new NetlinkSocket(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Sends messages; when this has resolved the kernel has done what they ask. They must not change meanwhile. @throws KernelError */
  async send(messages: Buffer): Promise<void> {
    this.#checkOpen();
    const sent = await lane(() => callBeside('send', this.#fd, messages, messages.length, 0));
    // The other thread's errno is not to be had. Nothing was sent: so try again here, and see.
    if (sent < 0) callLibc('send to netlink', 'send', this.#fd, messages, messages.length, 0);
  }

  /**
   * The next datagram of an answer that is complete; valid until the next call, of any socket.
   *
   * @returns undefined when there is none
   * @throws KernelError `ENOBUFS` when answers were lost
   */
  receive(): Buffer | undefined {
    this.#checkOpen();
    received ??= Buffer.alloc(LARGEST_DATAGRAM);
    return this.#receiveInto(received);
  }

  /**
   * The next datagram of a dump, which the kernel makes in this call.
   *
   * @param buffer of LARGEST_DATAGRAM bytes
   * @throws KernelError
   */
  async receiveDump(buffer: Buffer): Promise<Buffer | undefined> {
    this.#checkOpen();
    const length = await lane(() => callBeside('recv', this.#fd, buffer, buffer.length, MSG_DONTWAIT | MSG_TRUNC));
    return length < 0 ? this.#receiveInto(buffer) : datagram(buffer, length);
  }

  /** Throws away what is left of an answer. */
  drain(): void {
    for (let datagrams = 0; datagrams < MOST_DRAINED; datagrams++) {
      try {
        if (this.receive() === undefined) return;
      } catch (error) {
        // That something was lost is no news here.
        if (!isKernelErrno(error, 'ENOBUFS', 'EMSGSIZE')) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }

  #receiveInto(buffer: Buffer): Buffer | undefined {
    const length = libc().recv(this.#fd, buffer, buffer.length, MSG_DONTWAIT | MSG_TRUNC);
    if (length >= 0) return datagram(buffer, length);
    const errno = errnoName(libcErrno());
    if (errno === 'EAGAIN') return undefined;
    throw new KernelError(errno, 'receive from netlink');
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new Error('the netlink socket is closed');
  }
}

/** `length` is that of the whole datagram, whether it fitted or not (MSG_TRUNC). */
function datagram(buffer: Buffer, length: number): Buffer {
  if (length > buffer.length) throw new KernelError('EMSGSIZE', `receive ${length} bytes from netlink`);
  return buffer.subarray(0, length);
}

/** A libc call on a thread of the pool; the buffers among its arguments are held by the caller until it resolves. */
function callBeside(name: 'send' | 'recv', ...args: readonly NativeArgument[]): Promise<number> {
  return new Promise((resolve, reject) => {
    libc()[name].async(...args, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

function setOption(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  callLibc(`netlink socket option ${name}`, 'setsockopt', fd, level, name, bytes, bytes.length);
}
