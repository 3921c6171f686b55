import type { Server, Socket } from 'node:net';
import { FrameReader, frame } from './frames.ts';

/** Connections of one container at a time; further ones are closed at once. */
const MAX_CONNECTIONS = 128;
/** Requests taken over one connection (spec dataplane §6.4). */
const MAX_REQUESTS = 128;
/** A new connection must say something within this time, in milliseconds; later ones within the next. */
const FIRST_REQUEST_MS = 2000;
const IDLE_MS = 8000;

/** Reply to one message; undefined for none. */
export type AnswerMessage = (message: Buffer) => Buffer | undefined | Promise<Buffer | undefined>;

/**
 * Serves DNS over TCP on a listening server. Requests of a connection are answered as they are ready, not in order (RFC 7766
 * §6.2.1.1).
 *
 * @returns ends the server and its connections
 */
export function serveTcp(server: Server, answer: AnswerMessage): () => void {
  const connections = new Set<Socket>();
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    serveConnection(socket, answer);
  });
  return () => {
    server.close();
    for (const socket of connections) socket.destroy();
  };
}

function serveConnection(socket: Socket, answer: AnswerMessage): void {
  const reader = new FrameReader();
  let requests = 0;
  let open = 0;
  socket.setTimeout(FIRST_REQUEST_MS, () => {
    // Who waits for an answer is not idle.
    if (open === 0) socket.destroy();
  });
  const reply = async (message: Buffer) => {
    open++;
    try {
      const bytes = await answer(message);
      if (bytes !== undefined && socket.writable) socket.write(frame(bytes));
    } finally {
      open--;
    }
    if (requests >= MAX_REQUESTS && open === 0) socket.end();
  };
  socket.on('data', (chunk: Buffer) => {
    for (const message of reader.push(chunk)) {
      if (requests++ >= MAX_REQUESTS) return;
      socket.setTimeout(IDLE_MS);
      reply(message).catch(() => socket.destroy());
    }
  });
  socket.on('error', () => socket.destroy());
}
