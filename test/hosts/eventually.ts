import { errorText } from '#base/errors.ts';

export interface EventuallyOptions {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/**
 * Calls `check` until it neither throws nor returns false or undefined, and gives what it returned.
 *
 * @throws Error naming the description and what `check` said last, when the deadline has passed.
 */
export async function eventually<T>(
  description: string,
  check: () => T | false | undefined | Promise<T | false | undefined>,
  { timeoutMs = 20_000, intervalMs = 50 }: EventuallyOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let last: string;
    let cause: unknown;
    try {
      const value = await check();
      if (value !== false && value !== undefined) return value;
      last = `the check gave ${value}`;
    } catch (error) {
      cause = error;
      last = errorText(error);
    }
    if (performance.now() >= deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${description}; last: ${last}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
