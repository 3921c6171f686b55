import { errorText, isErrno, NetdError } from '#base/errors.ts';

/** The engine answered, and its answer was no. The message is the engine's own text, which users know. */
export class EngineError extends NetdError {
  /** HTTP status of the answer, such as 404 (no such …) or 409 (conflict). */
  readonly status: number;

  constructor(operation: string, status: number, message: string, cause?: unknown) {
    super('engine-refused', message || `${operation}: the engine answered with HTTP status ${status}`, { cause });
    this.status = status;
  }
}

/** The engine did not answer: not running, restarting, or the socket is not its own. Says nothing about the request. */
export class EngineUnreachable extends NetdError {
  constructor(address: string, cause: unknown) {
    super('engine-unreachable', `the Docker engine at ${address} cannot be reached: ${errorText(cause)}`, {
      cause,
      mend: 'check that the engine runs (systemctl status docker) and that --engine names its socket',
    });
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof EngineError && error.status === 404;
}

/** Create with a name that is taken. */
export function isConflict(error: unknown): boolean {
  return error instanceof EngineError && error.status === 409;
}

/** Turns whatever the HTTP client threw into one of the two above; abort reasons pass as they are. */
export function toEngineError(operation: string, address: string, error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  const status = statusOf(error);
  if (status === undefined) return new EngineUnreachable(address, error);
  return new EngineError(operation, status, messageOf(error), error);
}

function statusOf(error: unknown): number | undefined {
  if (isErrno(error, 'ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE', 'EACCES')) return undefined;
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** The `message` member of the engine's JSON body (API: ErrorResponse), else whatever text there is. */
function messageOf(error: unknown): string {
  const body = error instanceof Error && 'json' in error ? error.json : undefined;
  if (typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string') {
    return body.message.trim();
  }
  if (typeof body === 'string') return body.trim();
  // A failed stream comes without its body, but with the engine's words behind the library's.
  return errorText(error)
    .replace(/^\(HTTP code \d+\) [^-]* - /, '')
    .trim();
}
