import type { GoString } from './go-string.ts';
import { quote } from './quote.ts';

export const KEYWORDS = [
  'block',
  'break',
  'continue',
  'define',
  'else',
  'end',
  'if',
  'nil',
  'range',
  'template',
  'with',
] as const;
export type Keyword = (typeof KEYWORDS)[number];

/**
 * One piece of a template. Keywords are their own kind; `dot` is a lone `.`; `other` is a printable ASCII character
 * that means nothing by itself; `error` is the last token of a text that cannot be read any further.
 */
export interface Token {
  readonly kind:
    | Keyword
    | 'text'
    | 'open'
    | 'close'
    | 'space'
    | 'dot'
    | 'field'
    | 'variable'
    | 'identifier'
    | 'bool'
    | 'number'
    | 'char'
    | 'string'
    | 'rawString'
    | 'assign'
    | 'declare'
    | 'pipe'
    | 'leftParen'
    | 'rightParen'
    | 'other'
    | 'error'
    | 'end of text';
  /** The source, or the message of an `error`. */
  readonly text: GoString;
  /** Byte offset in the template. */
  readonly pos: number;
  /** Line it starts on, from 1. */
  readonly line: number;
}

const KEYWORD_SET: ReadonlySet<string> = new Set(KEYWORDS);

export function isKeyword(word: string): word is Keyword {
  return KEYWORD_SET.has(word);
}

/** Longest source shown before Go's messages cut it off. */
const SHOWN_BYTES = 10;

/** A token as Go's messages show it: `"abc"`, `<range>`, `EOF`. */
export function tokenText(token: Token): GoString {
  if (token.kind === 'end of text') return 'EOF';
  if (token.kind === 'error') return token.text;
  if (token.kind === 'dot' || isKeyword(token.kind)) return `<${token.text}>`;
  if (token.text.length > SHOWN_BYTES) return `${quote(token.text.slice(0, SHOWN_BYTES))}...`;
  return quote(token.text);
}
