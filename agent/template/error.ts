import { NetdError } from '#base/errors.ts';
import { type GoString, toText } from './go-string.ts';

/** Messages end up in the task's status, which every manager stores; a template may quote a megabyte of itself. */
const MAX_MESSAGE_CHARS = 1000;

/**
 * What is wrong with a template, in the words Go's text/template would use: people see it in `docker service ps`,
 * often next to the same mistake on a node that runs Docker.
 *
 * The only error that leaves this folder. `code` is `bad-template`.
 */
export class TemplateError extends NetdError {
  /** Name of the template, `expansion` for everything Docker expands. */
  readonly template: string;
  /** 1 for the first line; undefined where no line is to blame (too large as a whole). */
  readonly line: number | undefined;

  constructor(message: string, options: { template: string; line?: number | undefined; cause?: unknown }) {
    super('bad-template', shortened(message), options.cause === undefined ? {} : { cause: options.cause });
    this.template = options.template;
    this.line = options.line;
  }
}

function shortened(message: string): string {
  return message.length > MAX_MESSAGE_CHARS ? `${message.slice(0, MAX_MESSAGE_CHARS)}…` : message;
}

/** A mistake found while reading: the whole template is refused. */
export function parseError(template: GoString, line: number, message: GoString): TemplateError {
  const name = toText(template);
  return new TemplateError(`template: ${name}:${line}: ${toText(message)}`, { template: name, line });
}

/**
 * What a function called by a template throws to refuse its arguments; the evaluator adds where and which. Its message
 * is ordinary text, no Go string.
 */
export class CallError extends Error {
  override readonly name = 'CallError';
}
