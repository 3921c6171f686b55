import { FrameReader, frame } from '#netd/dns/frames.ts';
import { connectTcp, openUdp } from '#netd/kernel/ns-sockets.ts';

/** Asks as a client inside a namespace would, with bytes of one's own. */

const RESOLVER = { address: '127.0.0.11', port: 53 };

/**
 * Ports of clients: none twice, and none the kernel gives to others by itself. For a while after a question its port stays with
 * the resolver that answered (conntrack), and a test that goes on to another resolver would ask the one before.
 */
const PORTS = { first: 10_000, last: 29_999 } as const;
let nextPort: number = PORTS.first;

export interface Asking {
  readonly transport?: 'udp' | 'tcp';
  /** How long to wait for a reply, in milliseconds. */
  readonly timeoutMs?: number;
  /** Whom to ask; 127.0.0.11 unless given. */
  readonly server?: { readonly address: string; readonly port: number };
}

/** The reply to a packet, or undefined when there is none in time (or the port is closed). */
export async function ask(namespace: string, packet: Buffer, asking: Asking = {}): Promise<Buffer | undefined> {
  const { transport = 'udp', timeoutMs = 2000, server = RESOLVER } = asking;
  return transport === 'udp'
    ? askUdp(namespace, packet, timeoutMs, server)
    : askTcp(namespace, packet, timeoutMs, server);
}

async function askUdp(
  namespace: string,
  packet: Buffer,
  timeoutMs: number,
  server: typeof RESOLVER,
): Promise<Buffer | undefined> {
  const socket = openUdp(namespace, { address: '0.0.0.0', port: nextPort });
  nextPort = nextPort === PORTS.last ? PORTS.first : nextPort + 1;
  try {
    return await new Promise<Buffer | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), timeoutMs);
      const end = (reply: Buffer | undefined) => {
        clearTimeout(timer);
        resolve(reply);
      };
      socket.on('message', end);
      socket.on('error', () => end(undefined));
      socket.send(packet, server.port, server.address);
    });
  } finally {
    socket.close();
  }
}

async function askTcp(
  namespace: string,
  packet: Buffer,
  timeoutMs: number,
  server: typeof RESOLVER,
): Promise<Buffer | undefined> {
  const socket = connectTcp(namespace, server);
  const reader = new FrameReader();
  try {
    return await new Promise<Buffer | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), timeoutMs);
      const end = (reply: Buffer | undefined) => {
        clearTimeout(timer);
        resolve(reply);
      };
      socket.on('data', (chunk: Buffer) => {
        const [reply] = reader.push(chunk);
        if (reply !== undefined) end(reply);
      });
      socket.on('error', () => end(undefined));
      socket.on('close', () => end(undefined));
      socket.write(frame(packet));
    });
  } finally {
    socket.destroy();
  }
}
