import { BUILTINS } from './builtins.ts';
import { TemplateError } from './error.ts';
import { evaluate } from './evaluate.ts';
import { Run } from './frame.ts';
import type { Functions } from './functions.ts';
import { fromBytes, fromText, type GoString, toBytes, toText } from './go-string.ts';
import { parse } from './parser.ts';
import type { Value } from './value.ts';

/** The largest config a manager stores is 1023999 bytes (spec swarmkit-worker §4.13); nothing else comes near. */
export const MAX_TEMPLATE_BYTES = 1024 * 1024;

/** A config that pulls in several others of full size still fits; Docker itself has no bound. */
export const DEFAULT_MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

export interface ExpandOptions {
  /** The dot. */
  readonly data: Value;
  /** Functions besides Go's own, which they may not replace. */
  readonly functions: Functions;
  readonly maxOutputBytes?: number;
}

/**
 * Expands a Go template as Docker does with the fields of a service (spec swarmkit-worker §4.14): Go's text/template
 * with the option missingkey=error. `name` stands in errors, and Docker's is `expansion`.
 *
 * Throws a TemplateError, and nothing else.
 */
export function expand(name: string, text: string, options: ExpandOptions): string {
  if (!text.includes('{{')) return text;
  return toText(expandGoString(name, fromText(text), options));
}

/** The same for the payload of a config or secret, whose bytes need not be text: what is no template stays as it is. */
export function expandBytes(name: string, payload: Uint8Array, options: ExpandOptions): Uint8Array {
  if (!Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).includes('{{')) return payload;
  return toBytes(expandGoString(name, fromBytes(payload), options));
}

function expandGoString(templateName: string, text: GoString, options: ExpandOptions): GoString {
  if (text.length > MAX_TEMPLATE_BYTES) {
    const message = `template: ${templateName}: template is larger than ${MAX_TEMPLATE_BYTES} bytes`;
    throw new TemplateError(message, { template: templateName });
  }
  const name = fromText(templateName);
  const functions: Functions = new Map([...options.functions, ...BUILTINS]);
  const definitions = parse(name, text, new Set(functions.keys()));
  const run = new Run(name, text, functions, options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES);
  return evaluate(run, definitions, options.data);
}
