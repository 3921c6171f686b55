import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { NetdError } from '#base/errors.ts';
import { EngineError, EngineStuck, EngineUnreachable } from './engine-error.ts';

/**
 * The engine's HTTP API as plain calls. Docker's own client library for Node describes each request to a debug log that
 * nobody reads, at a price that grows with every connection; this is what remains when that is left out.
 */
export interface EngineHttp {
  /** Sends the request and reads the JSON answer, all within `limitMs`; an empty answer is `undefined`. */
  readonly json: (method: Method, path: string, limitMs: number, extras?: RequestExtras) => Promise<unknown>;
  /** Sends the request and gives the answer's body as it comes, for as long as the caller has the patience. */
  readonly stream: (
    method: Method,
    path: string,
    extras: RequestExtras & { readonly signal: AbortSignal },
  ) => Promise<IncomingMessage>;
  readonly close: () => void;
}

export type Method = 'GET' | 'POST' | 'DELETE';

export interface RequestExtras {
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Longest JSON answer taken: a list of ten thousand containers has a tenth of it. */
const LONGEST_ANSWER_BYTES = 256 * 1024 * 1024;
/** The longest delay setTimeout takes: a task may be given weeks to stop. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * @throws NetdError `bad-engine-address`; the calls reject with EngineError (any status but 2xx and 304),
 *   EngineUnreachable, EngineStuck, or `signal.reason`
 */
export function createEngineHttp(address: string): EngineHttp {
  const agent = new Agent({ keepAlive: true });
  const where = connectionOf(address);

  const send = (method: Method, path: string, extras: RequestExtras): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { signal, body, query, headers } = extras;
      if (signal?.aborted) return reject(signal.reason);
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const sent = request(
        {
          ...where,
          agent,
          method,
          path: query ? `${path}?${queryString(query)}` : path,
          headers: {
            ...headers,
            ...(payload === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          },
          ...(signal ? { signal } : {}),
        },
        resolve,
      );
      sent.on('error', (error) => reject(signal?.aborted ? signal.reason : new EngineUnreachable(address, error)));
      sent.end(payload);
    });

  const read = async (answer: IncomingMessage, signal: AbortSignal | undefined): Promise<string> => {
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > LONGEST_ANSWER_BYTES) throw new Error(`an answer of over ${LONGEST_ANSWER_BYTES} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      throw signal?.aborted ? signal.reason : new EngineUnreachable(address, error);
    }
    return Buffer.concat(chunks).toString('utf8');
  };

  const accepted = async (method: Method, path: string, extras: RequestExtras): Promise<IncomingMessage> => {
    const answer = await send(method, path, extras);
    const status = answer.statusCode ?? 0;
    if ((status >= 200 && status < 300) || status === 304) return answer;
    throw new EngineError(`${method} ${path}`, status, messageOf(await read(answer, extras.signal)));
  };

  /** The whole text of the answer. */
  const text = async (method: Method, path: string, limitMs: number, extras: RequestExtras): Promise<string> => {
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new EngineStuck(address, `answered ${method} ${path}`, limitMs)),
      Math.min(limitMs, LONGEST_TIMER_MS),
    );
    const signal = extras.signal ? AbortSignal.any([extras.signal, late.signal]) : late.signal;
    try {
      return await read(await accepted(method, path, { ...extras, signal }), signal);
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    json: async (method, path, limitMs, extras = {}) => {
      const answer = await text(method, path, limitMs, extras);
      if (answer === '') return undefined;
      try {
        return JSON.parse(answer) as unknown;
      } catch {
        return undefined; // `OK` and the like; whoever needs an object checks for one
      }
    },
    stream: accepted,
    close: () => agent.destroy(),
  };
}

/** Parses an engine address as DOCKER_HOST has it: a unix socket, or plain TCP to this host. */
function connectionOf(address: string): RequestOptions {
  const unix = /^unix:\/\/(\/.+)$/.exec(address);
  if (unix?.[1]) return { socketPath: unix[1], host: 'engine' };
  const tcp = /^tcp:\/\/(\[[0-9a-f:]+\]|[^:/]+):(\d+)\/?$/i.exec(address);
  if (tcp?.[1] && tcp[2]) return { host: tcp[1].replace(/^\[|\]$/g, ''), port: Number(tcp[2]) };
  throw new NetdError('bad-engine-address', `engine address ${JSON.stringify(address)} is not one netd can use`, {
    mend: 'give the unix socket of the local engine, such as unix:///var/run/docker.sock',
  });
}

function queryString(query: NonNullable<RequestExtras['query']>): string {
  return new URLSearchParams(
    Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]),
  ).toString();
}

/** The `message` member of the engine's error body (API: ErrorResponse), else the body itself. */
function messageOf(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message).trim();
  } catch {
    // not JSON: something else than an engine answers
  }
  return body.trim().slice(0, 1000);
}
