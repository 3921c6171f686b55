import { errorText, NetdError } from '#base/errors.ts';

/** The engine answered, and its answer was no. The message is the engine's own text, which users know. */
export class EngineError extends NetdError {
  /** HTTP status of the answer, such as 404 (no such …) or 409 (conflict). */
  readonly status: number;

  constructor(operation: string, status: number, message: string) {
    super('engine-refused', message || `${operation}: the engine answered with HTTP status ${status}`);
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
