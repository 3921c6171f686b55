import { fromText, toText } from '#agent/template/go-string.ts';
import { quote } from '#agent/template/quote.ts';
import { NetdError } from '#base/errors.ts';

/**
 * What the manager asks for cannot be done on this node, whatever is tried: the task is REJECTED (or FAILED, when it
 * already ran) with this text as its error (spec swarmkit-worker §4.4). Where Docker has a text of its own for the
 * case, the message contains it, since users and tools match on it.
 */
export class SpecError extends NetdError {
  constructor(message: string, options: { mend?: string; cause?: unknown } = {}) {
    super('bad-task-spec', message, options);
  }
}

/** Go's %q, as in Docker's messages. */
export function quoted(text: string): string {
  return toText(quote(fromText(text)));
}
