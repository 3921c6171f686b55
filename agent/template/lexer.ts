import { encodeRune, type GoString, isPrintable, type Rune, runeAt } from './go-string.ts';
import { quote } from './quote.ts';
import { isKeyword, type Token } from './token.ts';

const OPEN = '{{';
const CLOSE = '}}';
const OPEN_COMMENT = '/*';
const CLOSE_COMMENT = '*/';
/** A minus beside a delimiter trims the text there, but only with a space between it and the action. */
const TRIM_MARKER_LENGTH = 2;

/** What may follow a name. Go refuses anything else at once, so `{{$x=1}}` is an error. */
const AFTER_NAME: ReadonlySet<string> = new Set([' ', '\t', '\r', '\n', '', '.', ',', '|', ':', ')', '(']);

const SINGLE = { '=': 'assign', '|': 'pipe' } as const;

const DECIMAL = { digits: /[0-9_]*/y, exponent: /(?:[eE][+-]?[0-9_]*)?/y };
const HEXADECIMAL = { digits: /[0-9a-fA-F_]*/y, exponent: /(?:[pP][+-]?[0-9_]*)?/y };
const OCTAL = { digits: /[0-7_]*/y, exponent: undefined };
const BINARY = { digits: /[01_]*/y, exponent: undefined };

/** Cuts a template into tokens. Stops after an `error` or `end of text` token, one of which is always the last. */
export class Lexer {
  readonly #input: GoString;
  #pos = 0;
  #openParens = 0;
  #line = 1;
  /** Where the line being counted ends: kept, so that one long line is not searched again for every token. */
  #lineEnd: number;

  constructor(input: GoString) {
    this.#input = input;
    this.#lineEnd = lineEnd(input, 0);
  }

  *tokens(): Generator<Token, void, void> {
    let trimNext = false;
    while (this.#pos < this.#input.length) {
      const open = this.#input.indexOf(OPEN, this.#pos);
      const trims = open >= 0 && this.#trimsLeft(open);
      yield* this.#text(open < 0 ? this.#input.length : open, trimNext, trims);
      if (open < 0) break;
      this.#pos = open + OPEN.length + (trims ? TRIM_MARKER_LENGTH : 0);
      const comment = this.#input.startsWith(OPEN_COMMENT, this.#pos);
      const end = comment ? this.#comment() : yield* this.#action(open);
      if (typeof end !== 'boolean') {
        yield end;
        return;
      }
      trimNext = end;
    }
    yield this.#token('end of text', this.#pos);
  }

  *#text(end: number, trimStart: boolean, trimEnd: boolean): Generator<Token, void, void> {
    const start = trimStart ? skipSpace(this.#input, this.#pos, end) : this.#pos;
    let stop = end;
    while (trimEnd && stop > start && isSpace(this.#input[stop - 1])) stop--;
    this.#pos = stop;
    if (stop > start) yield this.#token('text', start);
  }

  /** Skips a comment. True if the text after it is to be trimmed. */
  #comment(): boolean | Token {
    const start = this.#pos;
    const end = this.#input.indexOf(CLOSE_COMMENT, start + OPEN_COMMENT.length);
    if (end < 0) return this.#error(start, 'unclosed comment');
    this.#pos = end + CLOSE_COMMENT.length;
    const trims = this.#trimsRight(this.#pos);
    if (trims) this.#pos += TRIM_MARKER_LENGTH;
    if (!this.#input.startsWith(CLOSE, this.#pos)) {
      return this.#error(start, 'comment ends before closing delimiter');
    }
    this.#pos += CLOSE.length;
    return trims;
  }

  /** The tokens between the delimiters, both included. True if the text after is to be trimmed. */
  *#action(open: number): Generator<Token, boolean | Token, void> {
    yield this.#token('open', open, OPEN);
    this.#openParens = 0;
    for (;;) {
      const start = this.#pos;
      const trims = this.#trimsRight(start);
      const close = start + (trims ? TRIM_MARKER_LENGTH : 0);
      if (this.#input.startsWith(CLOSE, close)) {
        if (this.#openParens > 0) return this.#error(start, 'unclosed left paren');
        this.#pos = close + CLOSE.length;
        yield this.#token('close', close);
        return trims;
      }
      const token = this.#inside(start);
      if (token.kind === 'error') return token;
      yield token;
    }
  }

  #inside(start: number): Token {
    const char = this.#input[start];
    if (char === undefined) return this.#error(start, 'unclosed action');
    if (isSpace(char)) return this.#space(start);
    if (char === '=' || char === '|') return this.#take(SINGLE[char], start, 1);
    if (char === ':') {
      return this.#input[start + 1] === '=' ? this.#take('declare', start, 2) : this.#error(start, 'expected :=');
    }
    if (char === '"') return this.#quoted(start, 'string', 'unterminated quoted string');
    if (char === "'") return this.#quoted(start, 'char', 'unterminated character constant');
    if (char === '`') return this.#rawString(start);
    if (char === '(' || char === ')') return this.#paren(char, start);
    // Go takes a point that ends the text for a number too.
    const fraction = char === '.' && (isDigit(this.#input[start + 1]) || start + 1 === this.#input.length);
    if (isDigit(char) || char === '+' || char === '-' || fraction) return this.#number(start);
    if (char === '$') return this.#name('variable', start);
    if (char === '.') return this.#name('field', start);
    return this.#word(start);
  }

  #space(start: number): Token {
    let end = skipSpace(this.#input, start, this.#input.length);
    // The last space may belong to a trim marker.
    if (this.#trimsRight(end - 1) && this.#input.startsWith(CLOSE, end - 1 + TRIM_MARKER_LENGTH)) end--;
    return this.#take('space', start, end - start);
  }

  /** Ends at the first quote that has no backslash before it. A line end inside is an error, escaped or not. */
  #quoted(start: number, kind: 'string' | 'char', unterminated: string): Token {
    const quoteChar = this.#input[start];
    for (let at = start + 1; at < this.#input.length; at++) {
      const escaped = this.#input[at] === '\\';
      if (escaped) at++;
      const char = this.#input[at];
      if (char === undefined || char === '\n') break;
      if (char === quoteChar && !escaped) return this.#take(kind, start, at + 1 - start);
    }
    return this.#error(start, unterminated);
  }

  #rawString(start: number): Token {
    const end = this.#input.indexOf('`', start + 1);
    if (end < 0) return this.#error(start, 'unterminated raw quoted string');
    return this.#take('rawString', start, end + 1 - start);
  }

  #paren(char: '(' | ')', start: number): Token {
    this.#openParens += char === '(' ? 1 : -1;
    if (this.#openParens < 0) return this.#error(start, 'unexpected right paren');
    return this.#take(char === '(' ? 'leftParen' : 'rightParen', start, 1);
  }

  /** Takes what looks like a number; whether it is one is for the parser to say. */
  #number(start: number): Token {
    const number = this.#scanNumber(start);
    const sign = this.#input[number.end];
    if (number.good && sign !== '+' && sign !== '-') return this.#take('number', start, number.end - start);
    // A sign here is the middle of a complex number, which we do not have; the error shows it whole, as in Go.
    const { end } = number.good ? this.#scanNumber(number.end) : number;
    return this.#error(start, `bad number syntax: ${quote(this.#input.slice(start, end))}`);
  }

  /** Where a number ends; with the character after it if that may not stand there. */
  #scanNumber(start: number): { readonly end: number; readonly good: boolean } {
    let at = start + match(this.#input, /[+-]?/y, start);
    const prefix = this.#input.slice(at, at + 2).toLowerCase();
    const form = { '0x': HEXADECIMAL, '0o': OCTAL, '0b': BINARY }[prefix] ?? DECIMAL;
    if (form !== DECIMAL) at += 2;
    at += match(this.#input, form.digits, at);
    if (this.#input[at] === '.') at += 1 + match(this.#input, form.digits, at + 1);
    if (form.exponent !== undefined) at += match(this.#input, form.exponent, at);
    if (this.#input[at] === 'i') at++;
    const next = this.#runeAt(at);
    if (next !== undefined && isWordRune(next)) return { end: at + next.width, good: false };
    return { end: at, good: true };
  }

  /** `.name`, `$name`, or the bare `.` and `$`. */
  #name(kind: 'field' | 'variable', start: number): Token {
    const end = this.#wordEnd(start + 1);
    if (!this.#endsName(end)) return this.#badCharacter(start, end);
    const bareDot = kind === 'field' && end === start + 1;
    return this.#take(bareDot ? 'dot' : kind, start, end - start);
  }

  #word(start: number): Token {
    const end = this.#wordEnd(start);
    if (end === start) return this.#strayCharacter(start);
    if (!this.#endsName(end)) return this.#badCharacter(start, end);
    const word = this.#input.slice(start, end);
    const kind = isKeyword(word) ? word : word === 'true' || word === 'false' ? 'bool' : 'identifier';
    return this.#take(kind, start, end - start);
  }

  #strayCharacter(start: number): Token {
    const rune = runeAt(this.#input, start);
    if (rune.code < 0x7f && isPrintable(rune.code)) return this.#take('other', start, 1);
    return this.#error(start, `unrecognized character in action: ${runeName(rune.code)}`);
  }

  #badCharacter(start: number, at: number): Token {
    return this.#error(start, `bad character ${runeName(runeAt(this.#input, at).code)}`);
  }

  #wordEnd(start: number): number {
    let at = start;
    for (;;) {
      const rune = this.#runeAt(at);
      if (rune === undefined || !isWordRune(rune)) return at;
      at += rune.width;
    }
  }

  #endsName(at: number): boolean {
    return AFTER_NAME.has(this.#input[at] ?? '') || this.#input.startsWith(CLOSE, at);
  }

  #runeAt(at: number): Rune | undefined {
    return at < this.#input.length ? runeAt(this.#input, at) : undefined;
  }

  #trimsLeft(open: number): boolean {
    const at = open + OPEN.length;
    return this.#input[at] === '-' && isSpace(this.#input[at + 1]);
  }

  #trimsRight(at: number): boolean {
    return isSpace(this.#input[at]) && this.#input[at + 1] === '-';
  }

  #take(kind: Token['kind'], start: number, length: number): Token {
    this.#pos = start + length;
    return this.#token(kind, start);
  }

  #token(kind: Token['kind'], start: number, text: GoString = this.#input.slice(start, this.#pos)): Token {
    return { kind, text, pos: start, line: this.#lineOf(start) };
  }

  #error(start: number, message: GoString): Token {
    return { kind: 'error', text: message, pos: start, line: this.#lineOf(start) };
  }

  /** Tokens come in order, so each line end is counted once. */
  #lineOf(pos: number): number {
    while (this.#lineEnd < pos) {
      this.#lineEnd = lineEnd(this.#input, this.#lineEnd + 1);
      this.#line++;
    }
    return this.#line;
  }
}

function lineEnd(input: GoString, from: number): number {
  const end = input.indexOf('\n', from);
  return end < 0 ? input.length : end;
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\r' || char === '\n';
}

function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= '0' && char <= '9';
}

function isWordRune(rune: Rune): boolean {
  if (rune.code < 0x80) return /[A-Za-z0-9_]/.test(String.fromCharCode(rune.code));
  return rune.valid && /[\p{L}\p{Nd}]/u.test(String.fromCodePoint(rune.code));
}

function skipSpace(input: GoString, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(input[at])) at++;
  return at;
}

/** Length of what a sticky pattern matches at `at`. */
function match(input: GoString, pattern: RegExp, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(input)?.[0].length ?? 0;
}

/** `U+0040 '@'`: a character in an error. */
function runeName(code: number): GoString {
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  return isPrintable(code) ? `${name} '${encodeRune(code)}'` : name;
}
