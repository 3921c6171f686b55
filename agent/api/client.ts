import { type IncomingMessage, request } from 'node:http';
import type * as z from 'zod/mini';
import { errorText, isErrno, NetdError } from '#base/errors.ts';
import type { JoinRequest, LeaveRequest, LookupRequest, PathRequest } from './control.ts';
import type * as documents from './documents.ts';
import { gossipSchema } from './gossip-schema.ts';
import * as network from './network-schema.ts';
import * as schemas from './schema.ts';

/** The agent answers a question from memory; if it does not within this time it hangs. */
const QUESTION_TIMEOUT_MS = 10_000;
/** 10,000 tasks with long error texts stay under this. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** An answer, checked; `raw` is the JSON as the agent sent it, with fields this version may not know. */
export interface Answer<T> {
  readonly document: T;
  readonly raw: unknown;
}

/**
 * Talks to the agent behind a socket. Every call may throw a NetdError: `daemon-unreachable` if nobody answers,
 * `daemon-mismatch` if what answers is not understood, or the agent's own error with its code and mend.
 */
export interface ApiClient {
  readonly status: (signal?: AbortSignal) => Promise<Answer<documents.StatusDocument>>;
  readonly node: () => Promise<Answer<documents.NodeDocument>>;
  readonly tasks: () => Promise<Answer<documents.TasksDocument>>;
  readonly certs: () => Promise<Answer<documents.CertsDocument>>;
  readonly gossip: () => Promise<Answer<documents.GossipDocument>>;
  readonly networks: () => Promise<Answer<documents.NetworksDocument>>;
  readonly dns: () => Promise<Answer<documents.DnsDocument>>;
  readonly drift: () => Promise<Answer<documents.DriftDocument>>;
  readonly lookup: (asked: LookupRequest) => Promise<Answer<documents.LookupDocument>>;
  readonly path: (asked: PathRequest) => Promise<Answer<documents.PathDocument>>;
  readonly version: () => Promise<Answer<documents.VersionDocument>>;
  readonly join: (asked: JoinRequest, signal: AbortSignal) => Promise<Answer<documents.JoinDocument>>;
  readonly leave: (asked: LeaveRequest, signal: AbortSignal) => Promise<Answer<documents.LeaveDocument>>;
}

export function createApiClient(socketPath: string): ApiClient {
  const get = <T>(path: string, schema: z.ZodMiniType<T>, signal?: AbortSignal) => {
    const limit = AbortSignal.timeout(QUESTION_TIMEOUT_MS);
    return call(
      { socketPath, method: 'GET', path, body: '' },
      schema,
      signal ? AbortSignal.any([signal, limit]) : limit,
    );
  };
  const post = <T>(path: string, body: object, schema: z.ZodMiniType<T>, signal: AbortSignal) =>
    call({ socketPath, method: 'POST', path, body: JSON.stringify(body) }, schema, signal);
  /** A question that needs more than a path to be put. */
  const ask = <T>(path: string, body: object, schema: z.ZodMiniType<T>) =>
    post(path, body, schema, AbortSignal.timeout(QUESTION_TIMEOUT_MS));
  return {
    status: (signal) => get('/v1/status', schemas.statusSchema, signal),
    node: () => get('/v1/node', schemas.nodeSchema),
    tasks: () => get('/v1/tasks', schemas.tasksSchema),
    certs: () => get('/v1/certs', schemas.certsSchema),
    gossip: () => get('/v1/gossip', gossipSchema),
    networks: () => get('/v1/networks', network.networksSchema),
    dns: () => get('/v1/dns', network.dnsSchema),
    drift: () => get('/v1/drift', network.driftSchema),
    lookup: (asked) => ask('/v1/dns/lookup', asked, network.lookupSchema),
    path: (asked) => ask('/v1/path', asked, network.pathSchema),
    version: () => get('/v1/version', schemas.versionSchema),
    join: (asked, signal) => post('/v1/join', asked, schemas.joinedSchema, signal),
    leave: (asked, signal) => post('/v1/leave', asked, schemas.leftSchema, signal),
  };
}

interface Call {
  readonly socketPath: string;
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

async function call<T>(asked: Call, schema: z.ZodMiniType<T>, signal: AbortSignal): Promise<Answer<T>> {
  let answered: { status: number; text: string };
  try {
    answered = await exchange(asked, signal);
  } catch (error) {
    throw unreachable(asked.socketPath, error, signal);
  }
  const raw = parseJson(answered.text, asked);
  if (answered.status === 200) {
    const parsed = schema.safeParse(raw);
    if (!parsed.success)
      throw mismatch(asked, `field "${parsed.error.issues[0]?.path.join('.') ?? ''}" is not as expected`);
    return { document: parsed.data, raw };
  }
  const failure = schemas.errorSchema.safeParse(raw);
  if (!failure.success) throw mismatch(asked, `HTTP status ${answered.status}`);
  const { code, message, mend } = failure.data.error;
  throw new NetdError(code, message, mend === null ? {} : { mend });
}

function exchange(
  { socketPath, method, path, body }: Call,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers =
      body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const outgoing = request({ socketPath, method, path, headers, signal, agent: false, host: 'localhost' });
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      readText(incoming).then((text) => resolve({ status: incoming.statusCode ?? 0, text }), reject);
    });
    outgoing.end(body);
  });
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new Error(`the answer is over ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string, asked: Call): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw mismatch(asked, 'the answer is not JSON');
  }
}

function mismatch({ socketPath, path }: Call, detail: string): NetdError {
  return new NetdError(
    'daemon-mismatch',
    `the agent at ${socketPath} answers ${path} in a way this netd does not know: ${detail}`,
    {
      mend: 'Agent and command are of different versions: restart the agent ("systemctl restart netd"). Tasks go on running.',
    },
  );
}

function unreachable(socketPath: string, error: unknown, signal: AbortSignal): unknown {
  // The caller's own reason to stop is the caller's business; only our time limit means that the agent hangs.
  if (signal.aborted && !isTimeout(signal.reason)) return signal.reason;
  if (signal.aborted) {
    return daemonUnreachable(
      `the agent at ${socketPath} does not answer`,
      'Look at its log: journalctl -u netd',
      error,
    );
  }
  if (isErrno(error, 'EACCES', 'EPERM')) {
    return daemonUnreachable(`no permission to talk to the agent at ${socketPath}`, 'Run this as root.', error);
  }
  const why = isErrno(error, 'ENOENT', 'ECONNREFUSED', 'ENOTDIR') ? '' : `: ${errorText(error)}`;
  return daemonUnreachable(
    `no agent is running at ${socketPath}${why}`,
    'Start it with "systemctl start netd" (or "netd agent"). If it uses another directory, name it with --run-dir.',
    error,
  );
}

function daemonUnreachable(message: string, mend: string, cause: unknown): NetdError {
  return new NetdError('daemon-unreachable', message, { mend, cause });
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError';
}
