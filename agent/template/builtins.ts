import { equals, equalsAny, isLess } from './compare.ts';
import { CallError } from './error.ts';
import { escapeHtml, escapeQuery, escapeScript } from './escape.ts';
import { outputText, plainText } from './format.ts';
import type { CallSite, Functions, TemplateFunction } from './functions.ts';
import { type GoString, toText } from './go-string.ts';
import { indexInto, lengthOf, sliceOf } from './indexing.ts';
import { sprintf } from './printf.ts';
import { boolValue, intValue, isTrue, NIL, stringValue, typeName, type Value } from './value.ts';

/** The functions every Go template has (Go package text/template, "Functions"). */
export const BUILTINS: Functions = new Map<string, TemplateFunction>([
  ['and', { parameters: ['any'], variadic: 'any', stopsAt: false, call: lastOf }],
  ['or', { parameters: ['any'], variadic: 'any', stopsAt: true, call: lastOf }],
  ['not', { parameters: ['any'], call: ([value = NIL]) => boolValue(!isTrue(value)) }],

  ['eq', { parameters: ['any'], variadic: 'any', call: ([first = NIL, ...rest]) => boolValue(equalsAny(first, rest)) }],
  ['ne', comparison((a, b) => !equals(a, b))],
  ['lt', comparison(isLess)],
  ['le', comparison((a, b) => isLess(a, b) || equals(a, b))],
  ['gt', comparison((a, b) => !isLess(a, b) && !equals(a, b))],
  ['ge', comparison((a, b) => !isLess(a, b))],

  ['len', { parameters: ['any'], call: ([value = NIL]) => intValue(lengthOf(value)) }],
  ['index', { parameters: ['any'], variadic: 'any', call: ([value = NIL, ...keys]) => indexInto(value, keys) }],
  ['slice', { parameters: ['any'], variadic: 'any', call: ([value = NIL, ...at]) => sliceOf(value, at) }],

  ['print', { parameters: [], variadic: 'any', call: (args) => stringValue(sprint(args.map(printed))) }],
  ['println', { parameters: [], variadic: 'any', call: (args) => stringValue(`${args.map(plainText).join(' ')}\n`) }],
  ['printf', { parameters: ['string'], variadic: 'any', call: callPrintf }],

  ['html', escaper(escapeHtml)],
  ['js', escaper(escapeScript)],
  ['urlquery', escaper(escapeQuery)],
  ['call', { parameters: ['any'], variadic: 'any', call: refuseCall }],
]);

function lastOf(args: readonly Value[]): Value {
  return args.at(-1) ?? NIL;
}

function comparison(test: (a: Value, b: Value) => boolean): TemplateFunction {
  return { parameters: ['any', 'any'], call: ([a = NIL, b = NIL]) => boolValue(test(a, b)) };
}

function callPrintf([format = NIL, ...args]: readonly Value[], site: CallSite): Value {
  return stringValue(sprintf(format.kind === 'string' ? format.value : '', args, site.spend));
}

function escaper(escapeText: (text: GoString) => GoString): TemplateFunction {
  return {
    parameters: [],
    variadic: 'any',
    call: (args) => stringValue(escapeText(sprint(args.map(written)))),
  };
}

interface Printed {
  readonly text: GoString;
  readonly value: Value;
}

function printed(value: Value): Printed {
  return { text: plainText(value), value };
}

/** As an action would write it: there a missing value is text. */
function written(value: Value): Printed {
  const text = outputText(value);
  return { text, value: value.kind === 'nil' ? stringValue(text) : value };
}

/** Go's fmt.Sprint: a space between two operands when neither is a string. */
function sprint(operands: readonly Printed[]): GoString {
  return operands
    .map(({ text, value }, i) => {
      const before = operands[i - 1]?.value.kind;
      return before !== undefined && before !== 'string' && value.kind !== 'string' ? ` ${text}` : text;
    })
    .join('');
}

/** No value a template of ours can hold is a function. */
function refuseCall([value = NIL]: readonly Value[], site: CallSite): never {
  if (value.kind === 'nil') throw new CallError('call of nil');
  const shown = site.firstArgument() ?? (value.kind === 'string' ? value.value : `<${typeName(value)} Value>`);
  throw new CallError(`non-function ${toText(shown)} of type ${typeName(value)}`);
}
