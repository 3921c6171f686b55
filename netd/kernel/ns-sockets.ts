import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { connect, createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { ipBytes } from '../gossip/wire/ip.ts';
import { callLibc } from './libc.ts';
import { inNamespace } from './netns.ts';

/**
 * Sockets of other namespaces for Node: made and bound with libc inside the namespace, then adopted. A socket belongs to the
 * namespace it was made in for good. (`dgram.createSocket` alone makes its descriptor later, in the wrong namespace.)
 */

/** bits/socket.h; the same on x86-64 and arm64. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
/** The int 1: netd is built for little-endian machines only, x86-64 and arm64. */
const ONE = Buffer.from([1, 0, 0, 0]);

export interface SocketAddress {
  /** Numeric, IPv4 or IPv6 without scope. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
}

/**
 * A UDP socket in the namespace at `path`, bound already: its `listening` event is over. For a client bind to `0.0.0.0` or `::`
 * with port 0; `connect` and `send` then go out of that namespace. (Destinations must be numeric: names are looked up by the host.)
 *
 * @throws KernelError; `namespace-gone` as in `inNamespace`
 */
export function openUdp(path: string, at: SocketAddress): UdpSocket {
  const fd = inNamespace(path, () => boundSocket(SOCK_DGRAM, at));
  const socket = createSocket(isV6(at) ? 'udp6' : 'udp4');
  try {
    socket.bind({ fd });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return socket;
}

/**
 * A TCP server in the namespace at `path`: bound when this returns, listening with its `listening` event.
 *
 * @throws KernelError; `namespace-gone` as in `inNamespace`
 */
export function listenTcp(path: string, at: SocketAddress): Server {
  const fd = inNamespace(path, () => boundSocket(SOCK_STREAM, at));
  return createServer().listen({ fd });
}

/**
 * A TCP connection from the namespace at `path`, on its way when this returns: `connect` or `error` follow.
 *
 * @throws KernelError; `namespace-gone` as in `inNamespace`
 */
export function connectTcp(path: string, to: SocketAddress): TcpSocket {
  const fd = inNamespace(path, () => newSocket(SOCK_STREAM, to));
  // `fd` with a destination: the socket is adopted first, and then connected (both are documented, if not together).
  const options = { fd, host: to.address, port: to.port };
  return connect(options);
}

function newSocket(type: number, { address }: SocketAddress): number {
  const family = address.includes(':') ? AF_INET6 : AF_INET;
  return callLibc('socket', 'socket', family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

function boundSocket(type: number, at: SocketAddress): number {
  const fd = newSocket(type, at);
  try {
    const name = `${type === SOCK_DGRAM ? 'udp' : 'tcp'} ${isV6(at) ? `[${at.address}]` : at.address}:${at.port}`;
    if (type === SOCK_STREAM) {
      // Connections of a listener before us may still be in TIME_WAIT.
      callLibc(`reuse ${name}`, 'setsockopt', fd, SOL_SOCKET, SO_REUSEADDR, ONE, ONE.length);
    }
    const sockaddr = sockaddrOf(at);
    callLibc(`bind ${name}`, 'bind', fd, sockaddr, sockaddr.length);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** struct sockaddr_in (16 bytes) or sockaddr_in6 (28), netinet/in.h: the family in host order (little-endian), the port big-endian. */
function sockaddrOf({ address, port }: SocketAddress): Buffer {
  const ip = ipBytes(address);
  if (ip === undefined) throw new TypeError(`not a numeric address: ${address}`);
  const isV4 = ip.length === 4;
  const sockaddr = Buffer.alloc(isV4 ? 16 : 28);
  const family = isV4 ? AF_INET : AF_INET6;
  sockaddr.writeUInt16LE(family, 0);
  sockaddr.writeUInt16BE(port, 2);
  sockaddr.set(ip, isV4 ? 4 : 8);
  return sockaddr;
}

function isV6({ address }: SocketAddress): boolean {
  return address.includes(':');
}
