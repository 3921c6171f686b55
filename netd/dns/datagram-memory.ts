import { loadKoffi, type NativeFunction } from '../kernel/native.ts';

/** What recvmmsg(2) and sendmmsg(2) are given: memory that does not move, laid out as the kernel reads it. */

/** bits/socket.h */
export const AF_INET = 2;

/** Datagrams taken or sent with one call. */
export const BATCH = 64;
/** Longest datagram taken whole: requests have 512 bytes at most, replies rarely more than the 1232 or 4096 that clients allow. */
export const SLOT_BYTES = 4096;
/** Replies that wait for the end of the batch; the longest one fits. */
export const ARENA_BYTES = 512 * 1024;

/** struct mmsghdr and struct iovec of the 64-bit little-endian ABIs, in words of 32 bits; pointers and lengths have two of them. */
export const MMSGHDR_WORDS = 16;
export const MSG_NAME = 0;
export const MSG_NAMELEN = 2;
export const MSG_IOV = 4;
export const MSG_IOVLEN = 6;
export const MSG_FLAGS = 12;
export const MSG_LEN = 14;
export const IOVEC_WORDS = 4;
export const IOV_BASE = 0;
export const IOV_LEN = 2;
const WORD_BYTES = 4;
/** struct sockaddr_in and struct sockaddr_in6 (netinet/in.h). */
export const SOCKADDR_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;

interface Native {
  readonly socket: NativeFunction;
  readonly bind: NativeFunction;
  readonly connect: NativeFunction;
  readonly setsockopt: NativeFunction;
  readonly recvmmsg: NativeFunction;
  readonly sendmmsg: NativeFunction;
  readonly errno: () => number;
  readonly poll: Poll;
  readonly receive: Vector;
  readonly send: Vector;
  /** Data of datagrams taken: a slot each. */
  readonly slots: Buffer;
  /** Data of datagrams to send. */
  readonly arena: Buffer;
  readonly arenaAddress: number;
}

/** An array of struct mmsghdr with what it points to. */
interface Vector {
  /** For the system call. */
  readonly address: bigint;
  readonly headers: Uint32Array;
  readonly iovecs: Uint32Array;
  readonly names: Buffer;
  readonly namesAddress: number;
}

let native: Native | undefined;

/** Made at the first call, for all sockets: one thread fills and reads it, and between its calls nothing is in it. */
export function datagramMemory(): Native {
  native ??= allocate();
  return native;
}

/** Has the event loop call back while there is something to read, or once with a status when there is an error (uv_poll_start). */
type Poll = (fd: number, ready: (status: number) => void) => PollHandle;

export interface PollHandle {
  readonly start: (ready: (status: number) => void) => void;
  readonly close: () => void;
}

/** More of koffi. */
interface Memory {
  readonly alloc: (type: 'uint8_t', length: number) => bigint;
  readonly view: (address: bigint, length: number) => ArrayBuffer;
  readonly node: { readonly poll: Poll };
}

function allocate(): Native {
  const koffi = loadKoffi();
  const libc = koffi.load(null);
  const memory = koffi as unknown as Memory;
  const block = (bytes: number): Block => {
    const address = memory.alloc('uint8_t', bytes);
    const buffer = Buffer.from(memory.view(address, bytes));
    return { address: Number(address), pointer: address, buffer };
  };
  const slots = block(BATCH * SLOT_BYTES);
  const arena = block(ARENA_BYTES);
  const zeros = (bytes: number): Block => {
    const made = block(bytes);
    made.buffer.fill(0);
    return made;
  };
  const vector = (): Vector => {
    const names = zeros(BATCH * SOCKADDR_BYTES);
    const iovecs = zeros(BATCH * IOVEC_WORDS * WORD_BYTES);
    const headers = zeros(BATCH * MMSGHDR_WORDS * WORD_BYTES);
    const [header, iovec] = [wordsOf(headers), wordsOf(iovecs)];
    for (let i = 0; i < BATCH; i++) {
      const at = i * MMSGHDR_WORDS;
      setPointer(header, at + MSG_NAME, names.address + i * SOCKADDR_BYTES);
      header[at + MSG_NAMELEN] = SOCKADDR_BYTES;
      setPointer(header, at + MSG_IOV, iovecs.address + i * IOVEC_WORDS * WORD_BYTES);
      header[at + MSG_IOVLEN] = 1;
      setPointer(iovec, i * IOVEC_WORDS + IOV_BASE, slots.address + i * SLOT_BYTES);
      iovec[i * IOVEC_WORDS + IOV_LEN] = SLOT_BYTES;
      names.buffer.writeUInt16LE(AF_INET, i * SOCKADDR_BYTES);
    }
    return {
      address: headers.pointer,
      headers: header,
      iovecs: iovec,
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
    poll: memory.node.poll,
    receive: vector(),
    send: vector(),
    slots: slots.buffer,
    arena: arena.buffer,
    arenaAddress: arena.address,
  };
}

/** Memory that does not move; addresses of processes fit into a number (47 bits). */
interface Block {
  readonly address: number;
  readonly pointer: bigint;
  readonly buffer: Buffer;
}

function wordsOf({ buffer }: Block): Uint32Array {
  return new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length / WORD_BYTES);
}

/** Writes a pointer over two words. */
export function setPointer(words: Uint32Array, at: number, address: number): void {
  words[at] = address % 0x1_0000_0000;
  words[at + 1] = Math.floor(address / 0x1_0000_0000);
}
