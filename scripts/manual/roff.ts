/**
 * The little of roff a manual page needs (groff_man(7)). Text becomes what it says and nothing else: no word of it is taken for a
 * request or an escape, and what is copied out of a page is what was typed.
 */

/** Characters that roff would read, or print as their typographic cousins (groff_char(7), "Basic Latin"). */
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
  '"': '\\(dq',
};

/** Text within a line. */
export function roffText(text: string): string {
  return text.replace(/[\\\-'`^~"]|[^\n\x20-\x7e]/gu, (character) => ESCAPES[character] ?? codePoint(character));
}

/** One line of text: a dot at its beginning is a dot. */
export function roffLine(text: string): string {
  const line = roffText(text);
  return line.startsWith('.') ? `\\&${line}` : line;
}

/** A paragraph, filled by the formatter, which hyphenates words but not names such as `--token-file`. */
export function roffParagraph(text: string): string {
  const words = text.trim().split(/\s+/);
  return words
    .map((word, i) => `${/[-_]|[a-z][A-Z]/.test(word) ? '\\%' : ''}${i === 0 ? roffLine(word) : roffText(word)}`)
    .join(' ');
}

/** Lines kept as they are, such as commands to be copied. */
export function roffVerbatim(lines: readonly string[]): string {
  return ['.RS 4', '.EX', ...lines.map(roffLine), '.EE', '.RE'].join('\n');
}

export function bold(text: string): string {
  return `\\fB${roffText(text)}\\fR`;
}

export function italic(text: string): string {
  return `\\fI${roffText(text)}\\fR`;
}

/** Groff's name of any character: at least four hexadecimal digits, upper case. */
function codePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return `\\[u${code.toString(16).toUpperCase().padStart(4, '0')}]`;
}
