import { CallError } from './error.ts';
import type { GoString } from './go-string.ts';
import { stringValue, type Value } from './value.ts';

/** What an argument may be. The evaluator checks it before the call, with Go's messages. */
export type Parameter = 'any' | 'string';

/** What a function may know of its call besides the arguments. */
export interface CallSite {
  /** To be told of work, in bytes, that the sizes of arguments and result do not show. Throws when it gets too much. */
  readonly spend: (bytes: number) => void;
  /** The first argument as written in the template; undefined if it came through a `|`. */
  readonly firstArgument: () => GoString | undefined;
}

export interface TemplateFunction {
  readonly parameters: readonly Parameter[];
  /** Type of any number of further arguments; undefined if there may be none. */
  readonly variadic?: Parameter;
  /** `and` and `or` stop evaluating arguments at the first that is false, or true. */
  readonly stopsAt?: boolean;
  /** Throws an Error, best a CallError, to refuse: the template fails with its message. */
  readonly call: (args: readonly Value[], site: CallSite) => Value;
}

export type Functions = ReadonlyMap<string, TemplateFunction>;

/** A function of `count` strings (any number if undefined) to a string. */
export function stringFunction(
  count: number | undefined,
  call: (...args: readonly GoString[]) => GoString,
): TemplateFunction {
  return {
    parameters: Array.from({ length: count ?? 0 }, () => 'string' as const),
    ...(count === undefined ? { variadic: 'string' as const } : {}),
    call: (args) => stringValue(call(...args.map(stringOf))),
  };
}

/** The string in an argument whose parameter is one. */
export function stringOf(value: Value): GoString {
  if (value.kind !== 'string') throw new CallError(`expected string; found ${value.kind}`);
  return value.value;
}
