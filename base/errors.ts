/**
 * An error an operator can act on: it names the thing, says what is wrong with it, and how to mend it.
 *
 * One class for the whole product; `code` tells programs what happened, the message tells people.
 */
export class NetdError extends Error {
  override readonly name = 'NetdError';
  /** Stable, machine-readable kind, such as `bad-token` or `engine-unreachable`. */
  readonly code: string;
  /** One sentence that says what the operator can do about it. */
  readonly mend: string | undefined;

  constructor(code: string, message: string, options: { mend?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.mend = options.mend;
  }
}

/** The error's own words, without its class name or stack. */
export function errorText(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  return String(error);
}

/** The message followed by the messages of its causes, outermost first, each said once: for logs and the command line. */
export function errorChain(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  // A cause can in principle point back at itself; eight levels are more than any error here has.
  for (let depth = 0; depth < 8 && current !== undefined && current !== null; depth++) {
    const text = errorText(current);
    if (!parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}

/** True if `error` is a NetdError of that kind. */
export function isNetdError(error: unknown, code: string): error is NetdError {
  return error instanceof NetdError && error.code === code;
}

/** True if `error` is a system error with that errno name, such as `ENOENT` (errno(3)). */
export function isErrno(error: unknown, ...names: readonly string[]): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && names.includes(code);
}
