import { createSocket, type Socket } from 'node:dgram';
import { isErrno } from '#base/errors.ts';
import { plainIp } from './wire/ip.ts';
import type { Address } from './wire/swim-message.ts';

/** What the reference asks for; the kernel gives what it allows. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;

export interface Udp extends AsyncDisposable {
  readonly port: number;
  readonly send: (to: Address, datagram: Buffer) => void;
}

/**
 * The datagram socket: everything leaves from the port everything arrives at. An unspecified address listens on both
 * families where the host has both.
 *
 * @param failed told of errors of single sends, and of ICMP answers to them: neither ends the socket
 */
export async function bindUdp(
  listen: Address,
  received: (datagram: Buffer, from: Address) => void,
  failed: (error: Error) => void,
): Promise<Udp> {
  const { socket, isDual } = await bound(listen);
  socket.on('message', (datagram, remote) => received(datagram, { ip: plainIp(remote.address), port: remote.port }));
  socket.on('error', failed);
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch (error) {
    failed(error instanceof Error ? error : new Error(String(error)));
  }
  return {
    port: socket.address().port,
    send: (to, datagram) => {
      const ip = isDual && !to.ip.includes(':') ? `::ffff:${to.ip}` : to.ip;
      socket.send(datagram, to.port, ip, (error) => {
        if (error) failed(error);
      });
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

async function bound(listen: Address): Promise<{ socket: Socket; isDual: boolean }> {
  const isAny = listen.ip === '0.0.0.0' || listen.ip === '::';
  if (!isAny) return { socket: await bind(listen, listen.ip.includes(':')), isDual: false };
  try {
    return { socket: await bind({ ...listen, ip: '::' }, true), isDual: true };
  } catch (error) {
    // A host without IPv6.
    if (!isErrno(error, 'EAFNOSUPPORT', 'EADDRNOTAVAIL')) throw error;
    return { socket: await bind({ ...listen, ip: '0.0.0.0' }, false), isDual: false };
  }
}

function bind(listen: Address, isV6: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Addresses are numeric here: no name is ever looked up.
    const lookup = (host: string, _options: unknown, done: (error: null, address: string, family: number) => void) =>
      done(null, host, isV6 ? 6 : 4);
    const socket = createSocket({ type: isV6 ? 'udp6' : 'udp4', lookup });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(listen.port, listen.ip, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
