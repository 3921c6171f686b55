import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AgentView } from '#agent/api/view.ts';
import type { Clock } from '#base/clock.ts';
import { errorText, isErrno, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { formatHostPort, type HostPort } from '#pki/address.ts';
import { CONTENT_TYPE, expositionOf } from './exposition.ts';
import { processMetrics } from './process-metrics.ts';
import { viewMetrics } from './view-metrics.ts';

/** A pair of Prometheus servers, an agent or two, and a person with curl. */
const MAX_CONNECTIONS = 16;
/** A scrape is one small request; whoever needs longer to say it holds a place of the few there are. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How often the time limits of requests are looked at: Node's own 30 s would make 40 s of the 10. */
const TIMEOUT_CHECK_MS = 5_000;
/** A scraper sends some 500 bytes. */
const MAX_HEADER_BYTES = 8 * 1024;

export interface MetricsServerOptions {
  readonly address: HostPort;
  readonly view: () => AgentView;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Metrics for Prometheus over plain HTTP. Disposing of it ends connections at once: a scrape can be lost. */
export interface MetricsServer extends AsyncDisposable {
  /** Where it really listens. */
  readonly address: HostPort;
}

/**
 * Starts to serve `GET /metrics`. Everything is computed when asked for: between scrapes nothing runs.
 *
 * @throws NetdError `metrics-address-unusable` if netd cannot listen there
 */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const { log } = options;
  const limits = { connectionsCheckingInterval: TIMEOUT_CHECK_MS, maxHeaderSize: MAX_HEADER_BYTES };
  const server = createServer(limits, (request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      log.warn({ error: errorText(error) }, 'the metrics could not be gathered');
      if (response.headersSent) response.destroy();
      else send(response, 500, 'The metrics could not be gathered; the log of netd says why.');
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.timeout = REQUEST_TIMEOUT_MS; // also for one who does not read the answer
  await listen(server, options.address);
  server.on('error', (error) => log.warn({ error: errorText(error) }, 'a connection for metrics was not accepted'));
  const address = addressOf(server) ?? options.address;
  log.info({ address: formatHostPort(address) }, 'metrics are served');
  return { address, [Symbol.asyncDispose]: () => close(server) };
}

async function handle(
  { view, clock }: MetricsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0];
  if (path !== '/metrics') return send(response, 404, 'Nothing is here. The metrics are at /metrics.');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, 405, 'Metrics can only be read: GET or HEAD.');
  }
  const text = await expositionOf([...viewMetrics(view(), clock.now()), ...(await processMetrics())]);
  response.writeHead(200, { 'content-type': CONTENT_TYPE, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** A refusal. It ends the connection, so that no body needs to be read to its end. */
function send(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${sentence}\n`);
}

async function listen(server: Server, address: HostPort): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host: address.host, port: address.port, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    throw unusable(address, error);
  } finally {
    server.off('error', reject);
  }
}

function unusable(address: HostPort, error: unknown): NetdError {
  const { why, mend } = reasonOf(error, address);
  return new NetdError('metrics-address-unusable', `metrics cannot be served at ${formatHostPort(address)}: ${why}`, {
    cause: error,
    mend,
  });
}

/** Errors of bind(2) and getaddrinfo(3) in an operator's words. */
function reasonOf(error: unknown, { host, port }: HostPort): { readonly why: string; readonly mend: string } {
  if (isErrno(error, 'EADDRINUSE')) {
    return {
      why: `another process listens on port ${port}`,
      mend: `"ss -ltnp sport = :${port}" names it; stop it, or give another port with --metrics-addr.`,
    };
  }
  if (isErrno(error, 'EADDRNOTAVAIL')) {
    return {
      why: `${host} is not an address of this host`,
      mend: 'Give one that "ip address" lists with --metrics-addr, or 0.0.0.0 for all of them.',
    };
  }
  if (isErrno(error, 'ENOTFOUND', 'EAI_AGAIN')) {
    return {
      why: `the name ${host} is not known`,
      mend: 'Give an address of this host with --metrics-addr.',
    };
  }
  if (isErrno(error, 'EACCES')) {
    return {
      why: `netd may not listen on port ${port}`,
      mend: 'Give a port from 1024 on with --metrics-addr, or run netd as root.',
    };
  }
  return { why: errorText(error), mend: 'Give another address with --metrics-addr.' };
}

function addressOf(server: Server): HostPort | undefined {
  const bound = server.address();
  return bound === null || typeof bound === 'string' ? undefined : { host: bound.address, port: bound.port };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
