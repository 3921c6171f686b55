import type * as z from 'zod/mini';
import { errorChain, NetdError } from '#base/errors.ts';
import type { AgentControl } from './control.ts';
import {
  certsDocument,
  detailDocument,
  type ErrorDocument,
  gossipDocument,
  nodeDocument,
  SCHEMA_VERSION,
  statusDocument,
  tasksDocument,
  type VersionDocument,
} from './documents.ts';
import { joinRequestSchema, leaveRequestSchema, lookupRequestSchema, pathRequestSchema } from './request-schema.ts';
import { withoutTokens } from './secrets.ts';
import { isoTime } from './view.ts';

export interface ApiRequest {
  readonly method: string;
  /** The path of the URL, without query. */
  readonly path: string;
  /** The body as it came; empty if there was none. */
  readonly body: string;
}

export interface ApiResponse {
  readonly status: number;
  readonly document: object;
}

type Handler = (
  control: AgentControl,
  request: ApiRequest,
  nowMs: number,
  signal: AbortSignal,
) => object | Promise<object>;

/** Everything the local API can be asked, by path and method. */
const ROUTES: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  '/v1/status': { GET: (control, _, nowMs) => statusDocument(control.view(), isoTime(nowMs)) },
  '/v1/node': { GET: (control, _, nowMs) => nodeDocument(control.view(), isoTime(nowMs)) },
  '/v1/tasks': { GET: (control, _, nowMs) => tasksDocument(control.view(), isoTime(nowMs)) },
  '/v1/certs': { GET: (control, _, nowMs) => certsDocument(control.view(), isoTime(nowMs)) },
  '/v1/gossip': { GET: (control, _, nowMs) => gossipDocument(control.view(), control.gossip(), isoTime(nowMs)) },
  '/v1/networks': { GET: (control, _, nowMs) => detailDocument(control.network.networks(), isoTime(nowMs)) },
  '/v1/dns': { GET: (control, _, nowMs) => detailDocument(control.network.dns(), isoTime(nowMs)) },
  '/v1/dns/lookup': {
    POST: (control, request, nowMs) =>
      detailDocument(control.network.lookup(parseBody(lookupRequestSchema, request.body)), isoTime(nowMs)),
  },
  '/v1/drift': { GET: (control, _, nowMs) => detailDocument(control.network.drift(), isoTime(nowMs)) },
  '/v1/path': {
    POST: async (control, request, nowMs) =>
      detailDocument(await control.network.path(parseBody(pathRequestSchema, request.body)), isoTime(nowMs)),
  },
  '/v1/version': { GET: (control) => versionDocument(control) },
  '/v1/join': {
    POST: async (control, request, _, signal) => {
      const { nodeId, clusterId } = await control.join(parseBody(joinRequestSchema, request.body), signal);
      return { schemaVersion: SCHEMA_VERSION, nodeId, clusterId };
    },
  },
  '/v1/leave': {
    POST: async (control, request) => {
      const left = await control.leave(parseBody(leaveRequestSchema, request.body));
      return { schemaVersion: SCHEMA_VERSION, left };
    },
  },
};

/**
 * Answers one request. Never throws: what fails becomes an ErrorDocument. A NetdError keeps its words (409, or 400 if the
 * request itself is at fault); anything else is a 500 with the chain of messages, which is all a person can use of it.
 */
export async function answer(
  control: AgentControl,
  request: ApiRequest,
  nowMs: number,
  signal: AbortSignal,
): Promise<ApiResponse> {
  const methods = Object.hasOwn(ROUTES, request.path) ? ROUTES[request.path] : undefined;
  if (methods === undefined) {
    const paths = Object.keys(ROUTES).join(', ');
    return errorResponse(404, 'no-such-path', `there is nothing at ${request.path}`, `Known paths: ${paths}.`);
  }
  const handler = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
  if (handler === undefined) {
    const allowed = Object.keys(methods).join(', ');
    return errorResponse(
      405,
      'wrong-method',
      `${request.path} does not take ${request.method}`,
      `It takes ${allowed}.`,
    );
  }
  try {
    return { status: 200, document: await handler(control, request, nowMs, signal) };
  } catch (error) {
    if (!(error instanceof NetdError)) return errorResponse(500, 'internal', errorChain(error), null);
    return errorResponse(error.code === 'bad-request' ? 400 : 409, error.code, errorChain(error), error.mend ?? null);
  }
}

/** An ErrorDocument with its HTTP status; whatever it says, join tokens are cut out of it. */
export function errorResponse(status: number, code: string, message: string, mend: string | null): ApiResponse {
  const error = { code, message: withoutTokens(message), mend: mend === null ? null : withoutTokens(mend) };
  return { status, document: { schemaVersion: SCHEMA_VERSION, error } satisfies ErrorDocument };
}

function versionDocument(control: AgentControl): VersionDocument {
  const { version, pid } = control.view().agent;
  return { schemaVersion: SCHEMA_VERSION, version, pid };
}

/** @throws NetdError `bad-request`, naming the field and never the value: a body may hold a token. */
function parseBody<T>(schema: z.ZodMiniType<T>, body: string): T {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new NetdError('bad-request', 'the body of the request is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new NetdError(
    'bad-request',
    `the body of the request is wrong at "${issue?.path.join('.') ?? ''}": ${issue?.code}`,
  );
}
