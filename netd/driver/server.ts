import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { errorChain, NetdError } from '#base/errors.ts';
import { listenExclusively } from '#base/exclusive-socket.ts';
import type { Logger } from '#base/log.ts';
import { answerCall, type NetworkDriver } from './driver.ts';

/** Where engines look for drivers; the file's name is the driver's. */
export const DRIVER_SOCKET = '/run/docker/plugins/netd.sock';

/** A Join with a thousand published ports has some 100 KiB. */
const MAX_BODY_BYTES = 1024 * 1024;
/** The engine starts a few dozen containers at once, with a call or two each. */
const MAX_CONNECTIONS = 512;
/** Calls are small writes on a local socket. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How long calls under way may take when netd stops; the engine repeats those that break off. */
const CLOSE_GRACE_MS = 1_000;
/** The engine is root; nobody else has business here. */
const SOCKET_MODE = 0o600;
/** The media type of the plugin protocol. */
const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.1+json';

export interface DriverServerOptions {
  readonly socketPath: string;
  readonly driver: NetworkDriver;
  readonly log: Logger;
}

/** The network driver as the engine sees it: HTTP with JSON on a unix socket. */
export interface DriverServer {
  /** Stops listening and removes the socket; calls under way get a moment. */
  readonly close: () => Promise<void>;
}

/**
 * Serves the driver. The directory of the socket is made if the engine has not made it yet.
 *
 * @throws NetdError `socket-in-use` if another netd serves there
 */
export async function serveDriver({ socketPath, driver, log }: DriverServerOptions): Promise<DriverServer> {
  const server = createServer((request, response) => {
    serve(driver, request, response, log).catch((error: unknown) => {
      log.debug({ err: error }, 'a call of the engine broke off');
      response.destroy();
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o755 });
  const held = await listenExclusively(server, socketPath, SOCKET_MODE, {
    message: `another netd serves the network driver at ${socketPath}`,
    mend: 'One netd can serve the networks of an engine: stop the other one.',
  });
  return {
    close: async () => {
      await held.release();
      await closeServer(server);
    },
  };
}

/**
 * A refusal is an answer like any other, with the words for the user: the engine repeats calls that fail as HTTP for half a
 * minute, and shows those words to nobody.
 */
async function serve(driver: NetworkDriver, request: IncomingMessage, response: ServerResponse, log: Logger) {
  const call = (request.url ?? '/').slice(1);
  const body = await readBody(request);
  if (body === undefined) return send(response, 200, { Err: `the request is over ${MAX_BODY_BYTES} bytes` });
  try {
    const answer = await answerCall(driver, call, body === '' ? {} : parseJson(call, body));
    if (answer === undefined) send(response, 404, { Err: `netd has no ${call}` });
    else send(response, 200, answer);
  } catch (error) {
    const expected = error instanceof NetdError;
    log[expected ? 'warn' : 'error']({ call, error: errorChain(error) }, 'a call of the engine failed');
    send(response, 200, { Err: refusal(error) });
  }
}

/** What `docker run` shows, after words of its own. */
function refusal(error: unknown): string {
  const mend = error instanceof NetdError && error.mend !== undefined ? ` (${error.mend})` : '';
  return `${errorChain(error)}${mend}`;
}

function parseJson(call: string, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new NetdError('bad-driver-request', `${call}: the body is not JSON`, { cause: error });
  }
}

/** The body as text; undefined if it is too long. Then the rest is not read: the connection ends with the answer. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, answer: Readonly<Record<string, unknown>>): void {
  response.writeHead(status, { 'content-type': CONTENT_TYPE, connection: 'close' });
  response.end(JSON.stringify(answer));
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearTimeout(timer);
}
