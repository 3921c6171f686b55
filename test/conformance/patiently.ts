import { type EventuallyOptions, eventually } from '#test/hosts/eventually.ts';

/** A loaded machine may need long for what takes a moment on an idle one; what never comes is found either way. */
const PATIENCE = { timeoutMs: 90_000, intervalMs: 100 };

/** `eventually`, on a machine where a hundred tests run at once. */
export function patiently<T>(
  description: string,
  check: () => T | false | undefined | Promise<T | false | undefined>,
  options: EventuallyOptions = {},
): Promise<T> {
  return eventually(description, check, { ...PATIENCE, ...options });
}
