import type { GoString } from './go-string.ts';
import { quote, unquoteRune } from './quote.ts';
import { intValue, type Value } from './value.ts';

/** The value of a number or character constant, or Go's complaint about it. */
export type Constant =
  | { readonly kind: 'value'; readonly value: Value }
  /** Between 2^63 and 2^64: Go reads it and refuses to use it. */
  | { readonly kind: 'too large for int' }
  | { readonly kind: 'error'; readonly message: GoString };

const MIN_INT = -(2n ** 63n);
const MAX_INT = 2n ** 63n - 1n;
const MAX_UINT = 2n ** 64n - 1n;

/** No number a person means is longer; reading digits costs more than linear time. */
const MAX_LITERAL_BYTES = 100;

/** Go's integer literals with an optional sign (Go specification, "Integer literals"). */
const INTEGER = /^[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)$/;
const DIGITS = '[0-9](?:_?[0-9])*';
const DECIMAL_FLOAT = new RegExp(`^[+-]?(?:${DIGITS}(?:\\.(?:${DIGITS})?)?|\\.${DIGITS})(?:[eE][+-]?${DIGITS})?$`);
const HEX_FLOAT =
  /^([+-]?)0[xX]_?((?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?)(?:\.((?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?))?[pP]([+-]?[0-9](?:_?[0-9])*)$/;

export function readChar(literal: GoString): Constant {
  const code = unquoteRune(literal);
  if (code === 'malformed') return { kind: 'error', message: `malformed character constant: ${literal}` };
  if (code === 'invalid syntax') return { kind: 'error', message: code };
  return { kind: 'value', value: intValue(code) };
}

export function readNumber(literal: GoString): Constant {
  if (literal.length > MAX_LITERAL_BYTES) {
    return { kind: 'error', message: `number is longer than ${MAX_LITERAL_BYTES} digits` };
  }
  if (literal.endsWith('i') && !INTEGER.test(literal)) {
    return { kind: 'error', message: `complex constants are not supported: ${quote(literal)}` };
  }
  if (INTEGER.test(literal)) return readInteger(literal);
  const float = readFloat(literal);
  if (float === undefined) return { kind: 'error', message: `illegal number syntax: ${quote(literal)}` };
  // `08` and the like: digits that make a float only because they make no integer.
  if (!/[.eEpP]/.test(literal)) return { kind: 'error', message: `integer overflow: ${quote(literal)}` };
  return { kind: 'value', value: { kind: 'float', value: float } };
}

function readInteger(literal: GoString): Constant {
  const value = integerOf(literal);
  if (value < MIN_INT || value > MAX_UINT) {
    return { kind: 'error', message: `integer overflow: ${quote(literal)}` };
  }
  if (value > MAX_INT) return { kind: 'too large for int' };
  // Go takes any literal with an `e` for a float unless it starts with `0x`, so a signed `-0xe` is one.
  const takenForFloat = /[eE]/.test(literal) && !/^0[xX]/.test(literal);
  return { kind: 'value', value: takenForFloat ? { kind: 'float', value: Number(value) } : intValue(value) };
}

function integerOf(literal: GoString): bigint {
  const digits = literal.replaceAll('_', '').replace(/^[+-]/, '').toLowerCase();
  const octal = /^0[0-7]+$/.test(digits);
  const magnitude = BigInt(octal ? `0o${digits}` : digits);
  return literal.startsWith('-') ? -magnitude : magnitude;
}

function readFloat(literal: GoString): number | undefined {
  const hex = HEX_FLOAT.exec(literal);
  const value = hex === null ? readDecimal(literal) : readHexFloat(hex);
  return Number.isFinite(value) ? value : undefined;
}

function readDecimal(literal: GoString): number {
  return DECIMAL_FLOAT.test(literal) ? Number(literal.replaceAll('_', '')) : Number.NaN;
}

/** Exact for up to 53 significant bits, which is all a person writes down. */
function readHexFloat([, sign = '', whole = '', fraction = '', exponent = '']: RegExpExecArray): number {
  const fractionDigits = fraction.replaceAll('_', '');
  const digits = whole.replaceAll('_', '') + fractionDigits;
  if (digits === '') return Number.NaN;
  const mantissa = Number(BigInt(`0x${digits}`));
  const scale = Number(exponent.replaceAll('_', '')) - 4 * fractionDigits.length;
  return (sign === '-' ? -1 : 1) * mantissa * 2 ** scale;
}
