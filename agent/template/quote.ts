import { encodeRune, type GoString, isPrintable, isScalar, MAX_RUNE, REPLACEMENT_RUNE, runeAt } from './go-string.ts';

/** The escapes Go has a letter for, both ways. */
const LETTER_OF: Readonly<Record<string, string>> = {
  '\x07': 'a',
  '\b': 'b',
  '\f': 'f',
  '\n': 'n',
  '\r': 'r',
  '\t': 't',
  '\v': 'v',
  '\\': '\\',
};
const CHAR_OF = new Map(Object.entries(LETTER_OF).map(([char, letter]) => [letter, char]));

/** `value` as a Go string literal: the form of `%q`, and with `asciiOnly` of `%+q`. */
export function quote(value: GoString, asciiOnly = false): GoString {
  let out = '"';
  for (let at = 0; at < value.length; ) {
    const rune = runeAt(value, at);
    const source = value.slice(at, at + rune.width);
    out += rune.valid ? (escapeRune(rune.code, '"', asciiOnly) ?? source) : hex('\\x', value.charCodeAt(at), 2);
    at += rune.width;
  }
  return `${out}"`;
}

/** A code point as a Go character literal; what is no code point is shown as U+FFFD. */
export function quoteRune(code: number, asciiOnly = false): GoString {
  const shown = isScalar(code) ? code : REPLACEMENT_RUNE;
  return `'${escapeRune(shown, "'", asciiOnly) ?? encodeRune(shown)}'`;
}

/** True if `%#q` may write the value between backquotes: one line, no control characters, all of it UTF-8. */
export function canBackquote(value: GoString): boolean {
  for (let at = 0; at < value.length; ) {
    const rune = runeAt(value, at);
    const control = (rune.code < 0x20 && rune.code !== 0x09) || rune.code === 0x7f;
    const byteOrderMark = rune.code === 0xfeff;
    if (!rune.valid || control || byteOrderMark || rune.code === 0x60) return false;
    at += rune.width;
  }
  return true;
}

/** The escape for a code point; undefined for one that may stand as it is. */
function escapeRune(code: number, delimiter: '"' | "'", asciiOnly: boolean): GoString | undefined {
  const char = code < 0x80 ? String.fromCharCode(code) : undefined;
  if (char === delimiter) return `\\${char}`;
  const letter = char === undefined ? undefined : LETTER_OF[char];
  if (letter !== undefined) return `\\${letter}`;
  if (char !== undefined) return code < 0x20 || code === 0x7f ? hex('\\x', code, 2) : undefined;
  if (!asciiOnly && isPrintable(code)) return undefined;
  return code < 0x10000 ? hex('\\u', code, 4) : hex('\\U', code, 8);
}

function hex(prefix: string, code: number, digits: number): string {
  return prefix + code.toString(16).padStart(digits, '0');
}

/** The value of a quoted or raw string literal, its quotes included in `literal`; undefined if its syntax is wrong. */
export function unquote(literal: GoString): GoString | undefined {
  const body = literal.slice(1, -1);
  if (literal.startsWith('`')) return body.replaceAll('\r', '');
  let out = '';
  for (let at = 0; at < body.length; ) {
    const unit = literalUnit(body, at, '"');
    if (unit === undefined) return undefined;
    out += unit.bytes;
    at += unit.width;
  }
  return out;
}

/** The code point of a character literal, its quotes included; says which of Go's two complaints applies otherwise. */
export function unquoteRune(literal: GoString): number | 'invalid syntax' | 'malformed' {
  const unit = literalUnit(literal.slice(0, -1), 1, "'");
  if (unit === undefined) return 'invalid syntax';
  return unit.width === literal.length - 2 ? unit.code : 'malformed';
}

interface Unit {
  readonly code: number;
  readonly bytes: GoString;
  /** Bytes of the literal it took. */
  readonly width: number;
}

/** How many digits, in which base, follow each kind of numeric escape. */
const NUMERIC: Readonly<Record<string, RegExp>> = {
  x: /[0-9a-fA-F]{2}/y,
  u: /[0-9a-fA-F]{4}/y,
  U: /[0-9a-fA-F]{8}/y,
};

/** One character or escape of a literal's body (Go specification, "Rune literals"). */
function literalUnit(body: GoString, at: number, delimiter: string): Unit | undefined {
  if (at >= body.length || body[at] === delimiter) return undefined;
  if (body[at] !== '\\') {
    const rune = runeAt(body, at);
    return { code: rune.code, bytes: body.slice(at, at + rune.width), width: rune.width };
  }
  const letter = body[at + 1] ?? '';
  if (letter === delimiter) return { code: letter.charCodeAt(0), bytes: letter, width: 2 };
  const char = CHAR_OF.get(letter);
  if (char !== undefined) return { code: char.charCodeAt(0), bytes: char, width: 2 };
  if (letter >= '0' && letter <= '7') return byteUnit(digitsAt(body, at + 1, /[0-7]{3}/y), 8, 1);
  const pattern = Object.hasOwn(NUMERIC, letter) ? NUMERIC[letter] : undefined;
  const digits = pattern === undefined ? undefined : digitsAt(body, at + 2, pattern);
  if (digits === undefined) return undefined;
  if (letter === 'x') return byteUnit(digits, 16, 2);
  const code = Number.parseInt(digits, 16);
  return code <= MAX_RUNE && isScalar(code) ? { code, bytes: encodeRune(code), width: 2 + digits.length } : undefined;
}

function byteUnit(digits: string | undefined, base: number, prefix: number): Unit | undefined {
  const code = digits === undefined ? Number.NaN : Number.parseInt(digits, base);
  if (digits === undefined || code > 0xff) return undefined;
  return { code, bytes: String.fromCharCode(code), width: prefix + digits.length };
}

function digitsAt(body: string, at: number, pattern: RegExp): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(body)?.[0];
}
