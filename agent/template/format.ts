import { type FloatVerb, formatFloat } from './float.ts';
import { encodeRune, type GoString, isPrintable, isScalar, runeCount, runesOf } from './go-string.ts';
import { canBackquote, quote, quoteRune } from './quote.ts';
import { type StructValue, sortedEntries, stringValue, typeName, type Value } from './value.ts';

/** One directive of a format, `%-8.3q` taken apart (Go package fmt, "Printing"). */
export interface Directive {
  /** The letter, as a Go string: any rune may stand here. */
  readonly verb: GoString;
  /** In runes; negative never. */
  readonly width?: number | undefined;
  readonly precision?: number | undefined;
  readonly plus?: boolean;
  readonly minus?: boolean;
  readonly sharp?: boolean;
  readonly space?: boolean;
  readonly zero?: boolean;
  /** `%+v`: structs with the names of their fields. */
  readonly named?: boolean;
  /** `%#v`: Go syntax. */
  readonly goSyntax?: boolean;
}

const PLAIN: Directive = { verb: 'v' };

/** The value as `print` and `%v` show it. */
export function plainText(value: Value): GoString {
  return formatValue(value, PLAIN);
}

/** The value as an action `{{…}}` writes it to the output. */
export function outputText(value: Value): GoString {
  if (value.kind === 'nil') return '<no value>';
  return plainText(value.kind === 'struct' ? { ...value, pointer: false } : value);
}

/** The value under a directive, `%!verb(type=value)` if the verb does not fit it. */
export function formatValue(value: Value, directive: Directive): GoString {
  if (directive.verb === 'T' && value.kind !== 'nil') return formatPlain(typeName(value), directive);
  // %w is for wrapping errors and fits no value, not even piecewise.
  if (directive.verb === 'w' && value.kind !== 'nil') return badVerb(value, directive);
  switch (value.kind) {
    case 'nil':
      return isVerb(directive, 'vT') ? pad('<nil>', directive) : `%!${directive.verb}(<nil>)`;
    case 'bool':
      return isVerb(directive, 'tv') ? pad(String(value.value), directive) : badVerb(value, directive);
    case 'int':
      return formatInt(value.value, value.type === 'uint8', directive) ?? badVerb(value, directive);
    case 'float':
      return formatFloatValue(value.value, directive) ?? badVerb(value, directive);
    case 'string':
      return formatString(value.value, directive) ?? badVerb(value, directive);
    case 'list':
      return formatList(value.items, directive);
    case 'map':
      return formatMap(value.entries, directive);
    case 'struct':
      return formatStruct(value, directive);
  }
}

function badVerb(value: Value, directive: Directive): GoString {
  return `%!${directive.verb}(${typeName(value)}=${formatValue(value, { ...directive, verb: 'v' })})`;
}

function isVerb(directive: Directive, verbs: string): boolean {
  return verbs.includes(directive.verb);
}

/** Fills up to the width. Zeros only ever go in front. */
function pad(text: GoString, directive: Directive): GoString {
  const missing = (directive.width ?? 0) - runeCount(text);
  if (missing <= 0) return text;
  if (directive.minus) return text + ' '.repeat(missing);
  return (directive.zero ? '0' : ' ').repeat(missing) + text;
}

function formatList(items: readonly GoString[], directive: Directive): GoString {
  const parts = items.map((item) => formatValue(stringValue(item), directive));
  return directive.goSyntax ? `[]string{${parts.join(', ')}}` : `[${parts.join(' ')}]`;
}

function formatMap(entries: ReadonlyMap<GoString, GoString>, directive: Directive): GoString {
  const parts = sortedEntries(entries).map(
    ([key, value]) => `${formatValue(stringValue(key), directive)}:${formatValue(stringValue(value), directive)}`,
  );
  if (!directive.goSyntax) return `map[${parts.join(' ')}]`;
  return parts.length === 0 ? 'map[string]string(nil)' : `map[string]string{${parts.join(', ')}}`;
}

function formatStruct(value: StructValue, directive: Directive): GoString {
  const parts = [...value.fields].map(([name, field]) => {
    const text = formatValue(field, directive);
    return directive.named || directive.goSyntax ? `${name}:${text}` : text;
  });
  const body = `{${parts.join(directive.goSyntax ? ', ' : ' ')}}`;
  return (value.pointer ? '&' : '') + (directive.goSyntax ? value.type : '') + body;
}

function formatString(value: GoString, directive: Directive): GoString | undefined {
  switch (directive.verb) {
    case 'v':
      return directive.goSyntax ? formatQuoted(value, { ...directive, sharp: true }) : formatPlain(value, directive);
    case 's':
      return formatPlain(value, directive);
    case 'q':
      return formatQuoted(value, directive);
    case 'x':
    case 'X':
      return formatHexBytes(value, directive);
    default:
      return undefined;
  }
}

function formatPlain(value: GoString, directive: Directive): GoString {
  return pad(cut(value, directive.precision), directive);
}

function formatQuoted(value: GoString, directive: Directive): GoString {
  const text = cut(value, directive.precision);
  const backquoted = directive.sharp === true && !directive.goSyntax && canBackquote(text);
  return pad(backquoted ? `\`${text}\`` : quote(text, directive.plus), directive);
}

/** The first `precision` runes. */
function cut(value: GoString, precision: number | undefined): GoString {
  if (precision === undefined) return value;
  let end = 0;
  let count = 0;
  for (const rune of runesOf(value)) {
    if (count === precision) break;
    count++;
    end += rune.width;
  }
  return value.slice(0, end);
}

/** `% x` puts spaces between the bytes, and `% #x` a prefix before each of them. */
function formatHexBytes(value: GoString, directive: Directive): GoString {
  const upper = directive.verb === 'X';
  const prefix = directive.sharp ? (upper ? '0X' : '0x') : '';
  const bytes = Array.from(value.slice(0, directive.precision), (char) => {
    const digits = char.charCodeAt(0).toString(16).padStart(2, '0');
    return upper ? digits.toUpperCase() : digits;
  });
  const text = directive.space ? bytes.join(` ${prefix}`) : bytes.join('');
  return pad(bytes.length > 0 ? prefix + text : '', directive);
}

const BASES: Readonly<Record<string, number>> = { d: 10, v: 10, b: 2, o: 8, O: 8, x: 16, X: 16 };

function formatInt(value: bigint, unsigned: boolean, directive: Directive): GoString | undefined {
  switch (directive.verb) {
    case 'c':
      return pad(encodeRune(runeCode(value)), directive);
    case 'q':
      return pad(quoteRune(runeCode(value), directive.plus), directive);
    case 'U':
      return formatUnicode(value, directive);
  }
  if (directive.verb === 'v' && directive.goSyntax && unsigned) {
    return formatInteger(value, 16, { ...directive, verb: 'x', sharp: true });
  }
  const base = Object.hasOwn(BASES, directive.verb) ? BASES[directive.verb] : undefined;
  return base === undefined ? undefined : formatInteger(value, base, directive);
}

/** What is no code point turns into one that is not either. */
function runeCode(value: bigint): number {
  return value >= 0n && value <= 0x10ffffn ? Number(value) : -1;
}

function formatInteger(value: bigint, base: number, directive: Directive): GoString {
  const { verb, precision, width } = directive;
  const sign = value < 0n ? '-' : directive.plus ? '+' : directive.space ? ' ' : '';
  // No digits at all: not even the sign is written.
  if (precision === 0 && value === 0n) return ' '.repeat(width ?? 0);
  const zeros = directive.zero && !directive.minus && precision === undefined ? (width ?? 0) - sign.length : 0;
  const lower = (value < 0n ? -value : value).toString(base).padStart(precision ?? Math.max(zeros, 0), '0');
  const digits = verb === 'X' ? lower.toUpperCase() : lower;
  return pad(sign + basePrefix(verb, digits, directive.sharp) + digits, { ...directive, zero: false });
}

function basePrefix(verb: GoString, digits: string, sharp: boolean | undefined): string {
  const octal = verb === 'O' ? '0o' : '';
  if (!sharp) return octal;
  switch (verb) {
    case 'b':
      return '0b';
    case 'o':
    case 'O':
      return digits.startsWith('0') ? octal : `${octal}0`;
    case 'x':
    case 'X':
      return `0${verb}`;
    default:
      return '';
  }
}

/** `U+0041`, and with `#` the character too. A negative number shows as the unsigned one with the same bits. */
function formatUnicode(value: bigint, directive: Directive): GoString {
  const digits = BigInt.asUintN(64, value).toString(16).toUpperCase();
  const code = runeCode(value);
  const shown = directive.sharp && isScalar(code) && isPrintable(code) ? ` '${encodeRune(code)}'` : '';
  const text = `U+${digits.padStart(Math.max(directive.precision ?? 0, 4), '0')}${shown}`;
  return pad(text, { ...directive, zero: false });
}

const FLOAT_VERBS: Readonly<Record<string, { readonly verb: FloatVerb; readonly precision?: number }>> = {
  v: { verb: 'g' },
  g: { verb: 'g' },
  G: { verb: 'g' },
  x: { verb: 'x' },
  X: { verb: 'x' },
  b: { verb: 'b' },
  e: { verb: 'e', precision: 6 },
  E: { verb: 'e', precision: 6 },
  f: { verb: 'f', precision: 6 },
  F: { verb: 'f', precision: 6 },
};

function formatFloatValue(value: number, directive: Directive): GoString | undefined {
  const form = Object.hasOwn(FLOAT_VERBS, directive.verb) ? FLOAT_VERBS[directive.verb] : undefined;
  if (form === undefined) return undefined;
  const lower = formatFloat(value, form.verb, directive.precision ?? form.precision);
  const number = directive.sharp && form.verb !== 'b' ? withPoint(lower, directive) : lower;
  const digits = /[GXE]/.test(directive.verb) ? number.toUpperCase() : number;
  const negative = value < 0 || Object.is(value, -0);
  const sign = negative ? '-' : directive.plus ? '+' : directive.space ? ' ' : '';
  if (!directive.zero || directive.minus) return pad(sign + digits, directive);
  // Zeros go between the sign and the digits.
  const missing = (directive.width ?? 0) - sign.length - digits.length;
  return sign + '0'.repeat(Math.max(missing, 0)) + digits;
}

const DEFAULT_SHARP_DIGITS = 6;

/** `#`: always a decimal point, and for `%g` and `%x` at least as many digits as the precision says. */
function withPoint(number: string, { verb, precision }: Directive): string {
  const exponentAt = number.search(/x/.test(number) ? /p/ : /e/);
  const mantissa = exponentAt < 0 ? number : number.slice(0, exponentAt);
  const exponent = exponentAt < 0 ? '' : number.slice(exponentAt);
  const pointed = mantissa.includes('.') ? mantissa : `${mantissa}.`;
  if (!/[vgGx]/.test(verb)) return pointed + exponent;
  // A lone zero counts as a digit, and so does, in Go, the x of `0x`. Under %X nothing is filled up.
  const have = mantissa === '0' ? 1 : mantissa.replace('.', '').replace(/^0+/, '').length;
  return pointed + '0'.repeat(Math.max((precision ?? DEFAULT_SHARP_DIGITS) - have, 0)) + exponent;
}
