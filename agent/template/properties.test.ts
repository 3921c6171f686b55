import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { specContext } from './context.ts';
import { TemplateError } from './error.ts';
import { formatFloat } from './float.ts';
import { fromBytes, fromText, isPrintable, MAX_RUNE, runeCount, runesOf, toBytes, toText } from './go-string.ts';
import { quote, unquote } from './quote.ts';
import { expand, expandBytes } from './template.ts';

const context = specContext({
  service: { id: 's', name: 'web', labels: { a: 'x' } },
  node: { id: 'n', hostname: 'h', platform: { architecture: 'a', os: 'l' } },
  task: { id: 't', name: 'web.1.t', slot: 1 },
});

/** Pieces that make templates which get far, or nearly do. */
const PIECES = (
  '{{ }} {{- -}} {{end}} {{else}} {{/* */}} if else range with define template block break continue end nil true ' +
  '. $ $x $y := = , | ( ) .Service .Service.Labels .Service.Labels.a .Nope .Task.Slot "T" "a" "%v" "%-08.3q" `r` ' +
  "'c' 1 -2 99999999 1.5 0x1F and or not eq ne lt le gt ge index slice len print printf println html js urlquery call join"
).split(' ');
const BLOCKS = [
  '{{if .}}',
  '{{range 99999999}}',
  '{{range $x := .Service.Labels}}',
  '{{with $x := 1}}',
  '{{define "T"}}',
  '{{template "T" .}}',
  '{{$x := 1}}',
  '{{$x = print $x $x}}',
  '{{printf "%9999999d" 1 | html | printf "%q"}}',
  '{{end}}',
];

const soup = fc
  .array(
    fc.oneof(fc.constantFrom(...PIECES), fc.constantFrom(...BLOCKS), fc.constantFrom(' ', '\n', 'é'), fc.string()),
    {
      maxLength: 40,
    },
  )
  .map((pieces) => `{{${pieces.join(' ')}`);
const blocks = fc
  .array(fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...BLOCKS) }, { weight: 1, arbitrary: soup }), {
    maxLength: 20,
  })
  .map((pieces) => pieces.join(''));

const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0x2ff }), fc.integer({ min: 0, max: MAX_RUNE })))
  .map((codes) => String.fromCodePoint(...codes));

/** Bugs of the interpreter must not hide as errors of a template. */
function isBug(error: unknown): boolean {
  const cause = error instanceof TemplateError ? error.cause : error;
  return cause !== undefined && (!(cause instanceof Error) || cause.name !== 'CallError');
}

describe('whatever the template', () => {
  it.each([
    ['tokens', soup],
    ['blocks', blocks],
  ])('%s: it ends, in text or in a TemplateError', (_, templates) => {
    fc.assert(
      fc.property(templates, (template) => {
        try {
          expect(typeof expand('t', template, { ...context, maxOutputBytes: 10_000 })).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError);
          expect(isBug(error)).toBe(false);
          expect(error).toHaveProperty('message', expect.stringMatching(/^template: t(:\d+)?/));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('text without actions comes out as it went in, byte for byte', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (before, after) => {
        const [a, b] = [before, after].map((bytes) => bytes.filter((byte) => byte !== 0x7b));
        const template = Buffer.concat([a ?? [], Buffer.from('{{"é"}}'), b ?? []].map((part) => Buffer.from(part)));
        const expected = Buffer.concat([Buffer.from(a ?? []), Buffer.from('é'), Buffer.from(b ?? [])]);
        expect(Buffer.from(expandBytes('t', template, context)).equals(expected)).toBe(true);
      }),
    );
  });

  it('a quoted text is a literal of that text', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), (text, asciiOnly) => {
        const literal = toText(quote(fromText(text), asciiOnly));
        fc.pre(!literal.includes('{{'));
        expect(expand('t', `{{${literal}}}`, context)).toBe(text.toWellFormed());
        if (asciiOnly) expect(literal).toMatch(/^[ -~]*$/);
      }),
    );
  });
});

describe('Go strings', () => {
  it('quote any bytes and read them back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const value = fromBytes(bytes);
        expect([...toBytes(value)]).toEqual([...bytes]);
        expect(unquote(quote(value))).toBe(value);
        expect(unquote(quote(value, true))).toBe(value);
      }),
    );
  });

  it('have the runes that a text has', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const codes = [...text].map((char) => char.codePointAt(0));
        expect([...runesOf(fromText(text))].map((rune) => rune.code)).toEqual(codes);
        expect(runeCount(fromText(text))).toBe(codes.length);
      }),
    );
  });

  it('find bad bytes where a decoder does', () => {
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
        const valid = [...runesOf(fromBytes(bytes))].every((rune) => rune.valid);
        expect(() => strict.decode(bytes))[valid ? 'not' : 'to']?.toThrow();
      }),
      { numRuns: 1000 },
    );
  });

  it('know what may be shown', () => {
    expect([0x20, 0x41, 0x7e, 0xe9, 0x263a, 0x301, 0x1f600].every(isPrintable)).toBe(true);
    expect([0, 0x1f, 0x7f, 0xa0, 0x200b, 0x2028, 0xd800, 0xe000, 0xfeff, 0x110000, -1].some(isPrintable)).toBe(false);
  });
});

describe('floats', () => {
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

  it('in their shortest form, and with 17 digits, read back as the same number', () => {
    fc.assert(
      fc.property(finite, (value) => {
        const magnitude = Math.abs(value);
        expect(Number(formatFloat(value, 'g', undefined))).toBe(magnitude);
        expect(Number(formatFloat(value, 'e', undefined))).toBe(magnitude);
        expect(Number(formatFloat(value, 'f', undefined))).toBe(magnitude);
        expect(Number(formatFloat(value, 'e', 16))).toBe(magnitude);
        expect(Number(formatFloat(value, 'g', 17))).toBe(magnitude);
      }),
    );
  });

  it('are rounded to the nearest, ties to even', () => {
    expect([0.5, 1.5, 2.5, 3.5].map((value) => formatFloat(value, 'f', 0))).toEqual(['0', '2', '2', '4']);
    expect([0.125, 0.375].map((value) => formatFloat(value, 'f', 2))).toEqual(['0.12', '0.38']);
    expect(formatFloat(9.996, 'f', 2)).toBe('10.00');
    expect(formatFloat(0.999, 'e', 1)).toBe('1.0e+00');
  });
});
