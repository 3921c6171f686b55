import { connect, createServer, type Server, type Socket } from 'node:net';
import { FrameReader } from './frame-reader.ts';
import { inTurns, type Steps } from './turns.ts';
import { DecodeError } from './wire/decode-error.ts';
import { LabelError, openFrameSteps, sealFrameSteps } from './wire/frame.ts';
import { release } from './wire/release.ts';
import { encodeErr } from './wire/swim-encode.ts';
import { type Address, MESSAGE_TYPE } from './wire/swim-message.ts';

// TCP: one request each, at most one reply, then closed (spec gossip §8).

/** The reference's TCPTimeout. */
const DEADLINE_MS = 10_000;
/** Connections at a time; a cluster of thousands opens a few a second. */
const MAX_CONNECTIONS = 1024;
/** Push/pulls at a time; the reference closes the 128th without a word. */
const MAX_PUSH_PULLS = 128;
/** What all unfinished frames together may hold. */
const MAX_PENDING_BYTES = 256 * 1024 * 1024;

/** What seals and opens; asked anew each time, since keys rotate. */
export interface StreamKeys {
  readonly keys: () => readonly Uint8Array[];
  readonly seal: (message: Uint8Array) => Steps<Buffer>;
}

export interface StreamServerOptions extends StreamKeys {
  /** Answers a request, or not. Never throws or rejects. */
  readonly serve: (message: Buffer) => Promise<Buffer | undefined>;
  /** Told why a stream was refused. */
  readonly refused: (from: string, reason: string) => void;
  /** A connection's whole life from accept; restarted when our answer begins. */
  readonly deadlineMs?: number;
}

export interface StreamServer extends AsyncDisposable {
  readonly port: number;
}

export async function listenStreams(listen: Address, options: StreamServerOptions): Promise<StreamServer> {
  const open = new Set<Socket>();
  const load: Load = { pushPulls: 0, pendingBytes: 0 };
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    serveConnection(socket, options, load);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listening(server, listen);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : listen.port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

interface Load {
  pushPulls: number;
  pendingBytes: number;
}

function serveConnection(socket: Socket, options: StreamServerOptions, load: Load): void {
  const reader = new FrameReader();
  const { deadlineMs = DEADLINE_MS } = options;
  let deadline = setTimeout(() => socket.destroy(), deadlineMs);
  let counted = 0;
  let isPushPull = false;
  const release = () => {
    clearTimeout(deadline);
    load.pendingBytes -= counted;
    counted = 0;
    if (isPushPull) load.pushPulls--;
    isPushPull = false;
  };
  socket.once('close', release);
  // A reset by the peer is its business; the close that follows cleans up.
  socket.on('error', () => undefined);

  const end = (message: Buffer) => {
    inTurns(options.seal(message)).then((frame) => socket.end(frame));
  };
  const refuse = (error: unknown) => {
    if (!(error instanceof DecodeError)) throw error;
    options.refused(socket.remoteAddress ?? 'unknown', error.message);
    // Labels are answered with silence, the rest in words peers can log.
    if (error instanceof LabelError) socket.destroy();
    else end(encodeErr(reasonOf(error)));
  };
  const onData = (chunk: Buffer) => {
    counted += chunk.length;
    load.pendingBytes += chunk.length;
    if (load.pendingBytes > MAX_PENDING_BYTES) {
      socket.destroy();
      return;
    }
    try {
      const frame = reader.push(chunk);
      if (frame === undefined) return;
      socket.off('data', onData);
      // What follows a whole frame is of no interest, but has to be read for the close to be seen.
      socket.resume();
      opened(frame, options.keys()).then(answer).catch(refuse);
    } catch (error) {
      socket.off('data', onData);
      socket.resume();
      refuse(error);
    }
  };
  const answer = async (message: Buffer) => {
    if (socket.destroyed) {
      // The sender has gone, as senders of user messages do as soon as all is sent: it still wants to be heard.
      await options.serve(message);
      return;
    }
    if (message[0] === MESSAGE_TYPE.pushPull) {
      if (load.pushPulls + 1 >= MAX_PUSH_PULLS) {
        socket.destroy();
        return;
      }
      load.pushPulls++;
      isPushPull = true;
    }
    const reply = await options.serve(message);
    if (socket.destroyed) return;
    clearTimeout(deadline);
    deadline = setTimeout(() => socket.destroy(), deadlineMs);
    if (reply === undefined) socket.end();
    else end(reply);
  };
  socket.on('data', onData);
}

/** The error's words without our offset: peers print them. */
function reasonOf(error: DecodeError): string {
  return error.message.replace(/ at offset \d+$/, '');
}

/** What a frame says, which is not needed any more then. */
async function opened(frame: Buffer, keys: readonly Uint8Array[]): Promise<Buffer> {
  const message = await inTurns(openFrameSteps(frame, keys));
  release(frame);
  return message;
}

/**
 * Sends one message on a stream of its own, and reads the reply if one is wanted. Rejects when the peer cannot be reached,
 * closes early, sends what cannot be opened, or takes longer than `timeoutMs` in all; and with the signal's reason.
 */
export function sendStream(
  to: Address,
  message: Buffer,
  options: StreamKeys & { readonly wantsReply: boolean; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Buffer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const socket = connect({ host: to.ip, port: to.port, noDelay: true });
  const reader = new FrameReader();
  const end = (error?: unknown) => {
    if (error !== undefined) reject(error);
    clearTimeout(timer);
    options.signal.removeEventListener('abort', onAbort);
    socket.off('close', onClose);
    socket.destroy();
  };
  const onClose = () => end(new Error('closed before the reply'));
  const onAbort = () => end(options.signal.reason);
  const timer = setTimeout(
    () => end(new Error(`no answer within ${Math.round(options.timeoutMs)} ms`)),
    options.timeoutMs,
  );
  options.signal.addEventListener('abort', onAbort);
  if (options.signal.aborted) onAbort();
  socket.on('error', end);
  socket.once('close', onClose);
  socket.once('connect', () => {
    inTurns(options.seal(message)).then((frame) => {
      // Given up meanwhile.
      if (socket.destroyed) return;
      if (options.wantsReply) {
        socket.write(frame);
        return;
      }
      socket.end(frame, () => {
        // The kernel has it; the peer closes when it has read it, or the timer does.
        resolve(undefined);
        socket.resume();
      });
    }, end);
  });
  if (options.wantsReply) {
    socket.on('data', (chunk: Buffer) => {
      try {
        const frame = reader.push(chunk);
        if (frame === undefined) return;
        opened(frame, options.keys()).then(resolve).catch(reject);
        end();
      } catch (error) {
        end(error);
      }
    });
  }
  return promise;
}

/** Seals frames with fresh randomness. */
export function frameSealer(primary: () => Uint8Array, nonce: () => Uint8Array): StreamKeys['seal'] {
  return (message) => sealFrameSteps(message, primary(), nonce());
}

async function listening(server: Server, listen: Address): Promise<void> {
  const isAny = listen.ip === '0.0.0.0' || listen.ip === '::';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // Without a host Node listens on both families where there are two.
    const where = isAny ? { port: listen.port } : { port: listen.port, host: listen.ip };
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
