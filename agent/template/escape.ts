import { type GoString, isPrintable, runeAt } from './go-string.ts';

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  // The replacement character, in UTF-8: a NUL may not stand in HTML.
  '\0': '\xef\xbf\xbd',
};

/** `html`: safe as HTML text and inside quoted attributes. */
export function escapeHtml(text: GoString): GoString {
  return text.replace(/[&<>"'\0]/g, (char) => HTML[char] ?? char);
}

/** Also the characters that would let a script leave the HTML around it. */
const SCRIPT_ASCII: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
};

/** `js`: safe inside a quoted JavaScript string. */
export function escapeScript(text: GoString): GoString {
  let out = '';
  for (let at = 0; at < text.length; ) {
    const rune = runeAt(text, at);
    const source = text.slice(at, at + rune.width);
    at += rune.width;
    const known = rune.code < 0x80 ? SCRIPT_ASCII[source] : undefined;
    const plain = rune.code < 0x80 ? rune.code >= 0x20 : isPrintable(rune.code);
    if (known !== undefined) out += known;
    else if (plain) out += source;
    else out += `\\u${rune.code.toString(16).toUpperCase().padStart(4, '0')}`;
  }
  return out;
}

/** `urlquery`: safe as a value in a query string (application/x-www-form-urlencoded; a space becomes `+`). */
export function escapeQuery(text: GoString): GoString {
  return text.replace(/[^A-Za-z0-9\-_.~]/g, (char) => {
    if (char === ' ') return '+';
    return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
}
