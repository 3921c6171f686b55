import { parseError, type TemplateError } from './error.ts';
import type { GoString } from './go-string.ts';
import { Lexer } from './lexer.ts';
import { type Token, tokenText } from './token.ts';

/**
 * How deep bodies and parentheses may lie inside each other. Reading recurses, so without a bound a hostile text
 * would end in a stack overflow; Go has none, and no template people write comes near.
 */
export const MAX_NESTING = 100;

/**
 * The tokens of a template with look-ahead. Knows the template's name and which line was read last, so it also makes
 * the parser's errors.
 */
export class TokenStream {
  readonly #name: GoString;
  readonly #tokens: Generator<Token, void, void>;
  /** Read ahead and not yet taken, next one first. */
  readonly #ahead: Token[] = [];
  #last: Token | undefined;
  #nesting = 0;
  /** Line where the innermost action being read began, while it is being read. */
  #actionLine: number | undefined;

  constructor(name: GoString, input: GoString) {
    this.#name = name;
    this.#tokens = new Lexer(input).tokens();
  }

  next(): Token {
    return this.#ahead.shift() ?? this.#read();
  }

  peek(): Token {
    return this.#lookAhead(0);
  }

  nextNonSpace(): Token {
    this.#skipSpace();
    return this.next();
  }

  peekNonSpace(): Token {
    this.#skipSpace();
    return this.peek();
  }

  /** The first token after the next one that is no space, without taking anything. */
  peekSecondNonSpace(): Token {
    for (let i = 1; ; i++) {
      const token = this.#lookAhead(i);
      if (token.kind !== 'space') return token;
    }
  }

  /** Takes the next token, which must be of this kind. `context` says in an error what was being read. */
  expect(kind: Token['kind'], context: string): Token {
    const token = this.nextNonSpace();
    if (token.kind !== kind) throw this.unexpected(token, context);
    return token;
  }

  /** Called on entering a body or parenthesis, and `unnest` on leaving it. */
  nest(): void {
    this.#nesting++;
    if (this.#nesting > MAX_NESTING) throw this.error(`nested more than ${MAX_NESTING} levels deep`);
  }

  unnest(): void {
    this.#nesting--;
  }

  enterAction(line: number): void {
    this.#actionLine = line;
  }

  /** Also called when an outer action goes on, whose line is forgotten then: Go's messages behave like that. */
  leaveAction(): void {
    this.#actionLine = undefined;
  }

  unexpected(token: Token, context: string): TemplateError {
    if (token.kind !== 'error') return this.error(`unexpected ${tokenText(token)} in ${context}`);
    const elsewhere = this.#actionLine !== undefined && this.#actionLine !== token.line;
    const started = elsewhere ? ` started at ${this.#name}:${this.#actionLine}` : '';
    const what = started !== '' && !token.text.endsWith(' action') ? ' in action' : '';
    return this.error(token.text + what + started);
  }

  /** An error at the furthest line read. */
  error(message: GoString): TemplateError {
    return parseError(this.#name, this.#last?.line ?? 1, message);
  }

  #skipSpace(): void {
    while (this.peek().kind === 'space') this.next();
  }

  #lookAhead(index: number): Token {
    for (;;) {
      const token = this.#ahead[index];
      if (token !== undefined) return token;
      this.#ahead.push(this.#read());
    }
  }

  /** After its last token, which is an error or the end, the stream repeats that one. */
  #read(): Token {
    const result = this.#tokens.next();
    if (result.done !== true) this.#last = result.value;
    this.#last ??= { kind: 'end of text', text: '', pos: 0, line: 1 };
    return this.#last;
  }
}
