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
  constructor(address: string, cause: unknown, words: Words = wordsOf(address, cause)) {
    super(words.code, words.message, { cause, mend: words.mend });
  }
}

/**
 * The engine took a request and has not answered it for so long that nobody should go on waiting. What was asked for may
 * still come about: look before asking again.
 */
export class EngineStuck extends EngineUnreachable {
  /** @param what the engine has not done: `answered POST /containers/c0ffee/start` */
  constructor(address: string, what: string, waitedMs?: number) {
    const time = waitedMs === undefined ? 'yet' : `for ${waitedMs / 1000} s`;
    super(address, undefined, {
      code: 'engine-stuck',
      message: `the Docker engine at ${address} takes calls, but has not ${what} ${time}`,
      mend: 'if it goes on, restart the engine (systemctl restart docker): with live-restore containers keep running',
    });
  }
}

interface Words {
  readonly code: string;
  readonly message: string;
  readonly mend: string;
}

function wordsOf(address: string, cause: unknown): Words {
  return {
    code: 'engine-unreachable',
    message: `the Docker engine at ${address} cannot be reached: ${errorText(cause)}`,
    mend: 'check that the engine runs (systemctl status docker) and that --engine names its socket',
  };
}

export function isNotFound(error: unknown): boolean {
  return error instanceof EngineError && error.status === 404;
}

/** Create with a name that is taken. */
export function isConflict(error: unknown): boolean {
  return error instanceof EngineError && error.status === 409;
}
