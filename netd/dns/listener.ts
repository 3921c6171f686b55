import type { AddressInfo } from 'node:net';
import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { listenTcp } from '../kernel/ns-sockets.ts';
import type { Zone } from './answer.ts';
import type { Counters } from './counters.ts';
import { DatagramSocket, sendRoom } from './datagrams.ts';
import { handleRequest, type Transport } from './resolver.ts';
import { RESOLVER_ADDRESS, type Upstream } from './servers.ts';
import { TcpForwarder } from './tcp-forwarder.ts';
import { serveTcp } from './tcp-service.ts';
import { UdpForwarder } from './udp-forwarder.ts';

export interface ListenerDeps {
  /** Path of the container's network namespace. */
  readonly namespace: string;
  /** Asked for at every question: a change holds from the next one on. */
  readonly zone: () => Zone;
  readonly upstreams: () => readonly Upstream[];
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: Random;
  /** Port of the servers; 53 but in tests. */
  readonly upstreamPort?: number;
}

/** The sockets of one container's resolver. */
export interface Listener {
  readonly udpPort: number;
  readonly tcpPort: number;
  /** Forwarded questions that wait. */
  readonly waiting: () => number;
  readonly close: () => void;
}

const UDP: Transport = { kind: 'udp', room: sendRoom };
const TCP: Transport = {
  kind: 'tcp',
  room: (limit) => ({ out: Buffer.allocUnsafe(limit), at: 0, limit }),
};

/**
 * Listens on two free ports of 127.0.0.11 in the container's namespace, so that what runs in it can have port 53 itself.
 *
 * @throws KernelError
 */
export async function openListener(deps: ListenerDeps): Promise<Listener> {
  const { namespace, upstreams, counters, clock, random, upstreamPort } = deps;
  const port = upstreamPort === undefined ? {} : { port: upstreamPort };
  const udpForwarder = new UdpForwarder({
    namespace,
    upstreams,
    clock,
    counters,
    reply: (room, length, peer) => udp.send(room, length, peer),
    ...port,
  });
  const tcpForwarder = new TcpForwarder({ namespace, upstreams, counters, ...port });

  const udp = DatagramSocket.listen(
    namespace,
    { address: RESOLVER_ADDRESS, port: 0 },
    {
      received: (bytes, start, end, peer) => {
        const handled = handleRequest(bytes, start, end, { zone: deps.zone(), transport: UDP, counters, random });
        if (handled.kind === 'reply') udp.send(handled.room, handled.length, peer);
        else if (handled.kind === 'forward') udpForwarder.forward(bytes, start, end, handled.query, peer);
      },
      failed: () => {}, // the client is gone, or its socket is full: it asks again if it still wants to know
    },
  );
  const answerTcp = (message: Buffer) => {
    const handled = handleRequest(message, 0, message.length, { zone: deps.zone(), transport: TCP, counters, random });
    if (handled.kind === 'ignore') return undefined;
    if (handled.kind === 'forward') return tcpForwarder.forward(message, handled.query.questionEnd);
    return handled.room.out.subarray(0, handled.length);
  };
  const close = () => {
    udp.close();
    udpForwarder.close();
    tcpForwarder.close();
  };
  try {
    const server = listenTcp(namespace, { address: RESOLVER_ADDRESS, port: 0 });
    const closeTcp = serveTcp(server, answerTcp);
    await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
    const { port: tcpPort } = server.address() as AddressInfo;
    return {
      udpPort: udp.port,
      tcpPort,
      waiting: () => udpForwarder.waiting,
      close: () => {
        closeTcp();
        close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}
