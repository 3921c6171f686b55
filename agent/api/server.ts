import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '#base/clock.ts';
import { listenExclusively } from '#base/exclusive-socket.ts';
import type { Logger } from '#base/log.ts';
import type { AgentControl } from './control.ts';
import { type ApiResponse, answer, errorResponse } from './routes.ts';

/** The largest request, a join with 32 addresses, has under 12 KiB. */
const MAX_BODY_BYTES = 64 * 1024;
/** A person and a few scripts; more is a loop gone wrong. */
const MAX_CONNECTIONS = 64;
/** A request is one small write on a local socket. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How long answers under way may take when the agent stops. */
const CLOSE_GRACE_MS = 1_000;
/** Root and its group: what the API can do (leave the swarm), root can do anyway. */
const SOCKET_MODE = 0o660;

export interface ApiServerOptions {
  readonly socketPath: string;
  readonly control: AgentControl;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The local API: HTTP with JSON on a unix socket. */
export interface ApiServer {
  readonly socketPath: string;
  /** Stops listening, lets answers under way finish for a moment, and removes the socket. */
  readonly close: () => Promise<void>;
}

/**
 * Starts the local API. The directory of the socket must exist.
 *
 * @throws NetdError `socket-in-use` if another agent serves there; the system error if the socket cannot be made.
 */
export async function serveApi(options: ApiServerOptions): Promise<ApiServer> {
  const { socketPath, log } = options;
  const server = createServer((request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      log.debug({ err: error }, 'a request to the local API broke off');
      response.destroy();
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  const held = await listenExclusively(server, socketPath, SOCKET_MODE, {
    message: `another netd agent serves ${socketPath}`,
    mend: 'Stop that one ("systemctl stop netd"), or give this one a directory of its own with --run-dir.',
  });
  return {
    socketPath,
    close: async () => {
      await held.release();
      await closeServer(server);
    },
  };
}

async function handle(options: ApiServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the caller of the local API went away')));
  const body = await readBody(request);
  if (body === null) {
    return send(
      response,
      errorResponse(413, 'bad-request', `the body of the request is over ${MAX_BODY_BYTES} bytes`, null),
    );
  }
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const asked = { method: request.method ?? 'GET', path, body };
  const result = await answer(options.control, asked, options.clock.now(), gone.signal);
  if (result.status >= 500) options.log.warn({ path, document: result.document }, 'a request to the local API failed');
  send(response, result);
}

/** The body as text; null if it is too long. Then the rest is not read: the connection ends with the answer. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, { status, document }: ApiResponse): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(`${JSON.stringify(document)}\n`);
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearTimeout(timer);
}
