import { describe, expect, it } from 'vitest';
import { BUILTINS } from './builtins.ts';
import { TemplateError } from './error.ts';
import { type Functions, stringFunction } from './functions.ts';
import { DEFAULT_MAX_OUTPUT_BYTES, expand, expandBytes, MAX_TEMPLATE_BYTES } from './template.ts';
import { NIL, stringValue } from './value.ts';

const NONE: Functions = new Map();

function run(template: string, maxOutputBytes?: number): string {
  return expand('t', template, {
    data: NIL,
    functions: NONE,
    ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }),
  });
}

function failure(template: string): TemplateError {
  try {
    run(template);
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error('no error');
}

// The rest of the language is compared with recorded answers of Go in golden.test.ts; these tables say the same for
// people to read, one part at a time.
describe('the language', () => {
  it.each([
    ['text is copied', 'a } }} { b{{""}}', 'a } }} { b'],
    ['trim markers eat the space beside them', 'a \n {{- 1 -}} \t\r\n b', 'a1b'],
    ['a minus without space is part of a number', '{{-1}} {{- -1}}', '-1-1'],
    ['comments vanish', 'a{{/* x }} \n */}}b {{- /* y */ -}} c', 'abc'],
    ['actions may span lines', '{{print\n1\n2}}', '1 2'],
    ['strings', String.raw`{{"a\tb\x41é\"" | printf "%s"}}`, 'a\tbAé"'],
    ['raw strings', '{{`a\\n"\nb`}}', 'a\\n"\nb'],
    ['character constants are numbers', `{{'a'}} {{'\\n'}} {{'☺'}}`, '97 10 9786'],
    ['integers', '{{0x1F}} {{0b101}} {{0o17}} {{017}} {{1_000}} {{+7}}', '31 5 15 15 1000 7'],
    ['floats', '{{1.50}} {{1e3}} {{.5}} {{0x1p-2}} {{1e21}}', '1.5 1000 0.5 0.25 1e+21'],
    ['bools', '{{true}} {{false}}', 'true false'],
    ['nil', '{{print nil}} {{or nil}} {{eq nil nil}}', '<nil> <no value> true'],
    ['variables', '{{$x := 1}}{{$y := $x}}{{$x = 2}}{{$x}}{{$y}}', '21'],
    ['variables end with their block', '{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}', '21'],
    ['an assignment reaches outward', '{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}', '2'],
    ['pipelines', '{{"x" | printf "%s-%s" "y" | len}}', '3'],
    ['parentheses', '{{len (print (1) "a")}}', '2'],
    ['if, else if, else', '{{if 0}}a{{else if ""}}b{{else if not nil}}c{{else}}d{{end}}', 'c'],
    ['with and else with', '{{with ""}}a{{else with 7}}{{.}}{{else}}b{{end}}', '7'],
    ['a pipe may declare', '{{if $x := 5}}{{$x}}{{end}}{{with $y := 6}}{{$y}}{{.}}{{end}}', '566'],
    ['range over an integer', '{{range $i := 3}}{{$i}}{{.}} {{end}}', '00 11 22 '],
    ['range over nothing', '{{range 0}}a{{else}}b{{end}}{{range or nil}}a{{else}}c{{end}}', 'bc'],
    [
      'break and continue',
      '{{range 9}}{{if eq . 1}}{{continue}}{{end}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}',
      '023',
    ],
    ['break inside another block', '{{range 3}}{{with 1}}{{break}}{{end}}{{end}}x', 'x'],
    ['break ends the inner loop only', '{{range 2}}{{range 3}}{{break}}{{end}}{{.}}{{end}}', '01'],
    ['templates', '{{template "a" 1}}{{define "a"}}<{{.}}>{{end}}{{template "a" "x"}}', '<1><x>'],
    ['a template sees its argument only', '{{$x := 1}}{{define "a"}}{{$}}{{end}}{{template "a" 2}}', '2'],
    ['blocks', '{{block "b" 3}}{{.}}{{end}}{{template "b" 4}}', '34'],
    ['and, or stop early', '{{and 0 (index "" 9)}}{{or 1 (index "" 9)}}{{and 1 2}}{{or 0 ""}}|', '012|'],
    ['eq takes many', '{{eq 3 1 2 3}}{{eq "a" "b"}}', 'truefalse'],
    [
      'comparisons',
      '{{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1.5 2.5}} {{ne true false}}',
      'true true true false true',
    ],
    ['len counts bytes', '{{len "é☺"}}', '5'],
    ['index gives bytes', '{{index "abc" 1}} {{printf "%c%T" (index "abc" 1) (index "abc" 1)}}', '98 buint8'],
    ['slice', '{{slice "hello" 1 3}} {{slice "hello" 3}} {{slice "hello"}}', 'el lo hello'],
    ['slice cuts bytes', '{{slice "é" 1 | printf "%q"}}', '"\\xa9"'],
    ['html', `{{html "<a href='x'>&\\""}}`, '&lt;a href=&#39;x&#39;&gt;&amp;&#34;'],
    ['js', `{{js "it's <b> & = \\\\ \\n é"}}`, "it\\'s \\u003Cb\\u003E \\u0026 \\u003D \\\\ \\u000A é"],
    ['urlquery', '{{urlquery "a b&c/é+~-_.*"}}', 'a+b%26c%2F%C3%A9%2B~-_.%2A'],
    ['println', '{{println 1 "a" "b"}}', '1 a b\n'],
    ['print puts space between what is no text', '{{print 1 2 "a" "b" 3 4}}', '1 2ab3 4'],
  ])('%s', (_, template, expected) => {
    expect(run(template)).toBe(expected);
  });

  it('knows the functions of Go', () => {
    expect([...BUILTINS.keys()].sort().join(' ')).toBe(
      'and call eq ge gt html index js le len lt ne not or print printf println slice urlquery',
    );
  });
});

describe('errors', () => {
  it('carry the template, the line and a code', () => {
    expect(failure('a\n\n{{index "" 3}}')).toMatchObject({ code: 'bad-template', template: 't', line: 3 });
    expect(failure('a\n{{').line).toBe(2);
  });

  it('name the place in bytes, from the start of the line', () => {
    expect(failure('é{{"é" | index "" 3}}').message).toMatch(/^template: t:1:11: executing "t" at </);
    expect(failure('x\né {{define "d"}}{{index "é" 9}}{{end}}{{template "d"}}').message).toBe(
      'template: t:2:19: executing "d" at <index "é" 9>: error calling index: index out of range: 9',
    );
  });

  it('say where an action began that ends elsewhere', () => {
    expect(failure('a\n{{1\n').message).toBe('template: t:3: unclosed action started at t:2');
    expect(failure('{{1 |\n\n"x').message).toBe('template: t:3: unterminated quoted string in action started at t:1');
  });

  it('show the name as it is', () => {
    expect(() => expand('größe "x"', '{{index "" 1}}', { data: NIL, functions: NONE })).toThrow(
      'template: größe "x":1:2: executing "größe \\"x\\"" at <index "" 1>: error calling index: index out of range: 1',
    );
  });

  it('stay short', () => {
    expect(failure(`{{index "${'x'.repeat(100_000)}" "a"}}`).message.length).toBeLessThan(1100);
  });

  it('of functions become errors of the template, whatever was thrown', () => {
    const functions: Functions = new Map([
      [
        'fails',
        stringFunction(0, () => {
          throw new RangeError('beyond');
        }),
      ],
      [
        'odd',
        stringFunction(0, () => {
          throw 'text';
        }),
      ],
    ]);
    const options = { data: NIL, functions };
    expect(() => expand('t', '{{fails}}', options)).toThrow('error calling fails: beyond');
    expect(() => expand('t', '{{odd}}', options)).toThrow(TemplateError);
    expect(() =>
      expand('t', '{{print .}}', {
        data: stringValue('x'),
        functions: new Map([['print', stringFunction(0, () => 'mine')]]),
      }),
    ).not.toThrow();
  });
});

describe('bounds', () => {
  it.each([
    ['an endless loop', '{{range 9223372036854775807}}{{end}}', 'exceeded maximum number of steps (500000)'],
    ['loops in loops', '{{range 99999}}{{range 99999}}{{end}}{{end}}', 'exceeded maximum number of steps'],
    [
      'endless recursion',
      '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}',
      'exceeded maximum template depth (500)',
    ],
    ['recursion of itself', '{{if true}}{{template "t"}}{{end}}', 'exceeded maximum template depth (500)'],
    ['doubling', '{{$x := "aa"}}{{range 99}}{{$x = print $x $x}}{{end}}', 'exceeded maximum work of functions'],
    ['wide formats', `{{$x := printf "${'%9999999d'.repeat(9)}" 1 2 3 4 5 6 7 8 9}}`, 'exceeded maximum work'],
    ['deep parentheses', `{{${'('.repeat(200)}1${')'.repeat(200)}}}`, 'nested more than 100 levels deep'],
    ['deep blocks', '{{if 1}}'.repeat(200) + '{{end}}'.repeat(200), 'nested more than 100 levels deep'],
    ['crowds of variables', '{{$x := 1}}'.repeat(300), 'more than 200 variables'],
    ['numbers without end', `{{${'9'.repeat(1000)}}}`, 'number is longer than 100 digits'],
  ])('stop %s', (_, template, message) => {
    expect(failure(template).message).toContain(message);
  });

  it('leave room for long chains of branches, long pipelines and big texts', () => {
    expect(run(`{{if 0}}${'{{else if 0}}'.repeat(1000)}{{else}}x{{end}}`)).toBe('x');
    expect(run(`{{1${' | print'.repeat(1000)}}}`)).toBe('1');
    expect(run('{{1}}'.repeat(50_000))).toHaveLength(50_000);
  });

  it('hold for templates and outputs to the byte', () => {
    const action = '{{1}}';
    const text = 'x'.repeat(MAX_TEMPLATE_BYTES - action.length);
    expect(run(text + action)).toHaveLength(text.length + 1);
    expect(() => run(`${text}x${action}`)).toThrow(`template: t: template is larger than ${MAX_TEMPLATE_BYTES} bytes`);
    expect(run('abc{{1}}', 4)).toBe('abc1');
    expect(() => run('abc{{1}}', 3)).toThrow(
      'template: t:1:5: executing "t" at <{{1}}>: output is larger than 3 bytes',
    );
    expect(() => run('{{1}}é', 2)).toThrow('output is larger than 2 bytes');
    expect(() => run(`{{range 9}}${text.slice(100)}{{end}}`)).toThrow(
      `output is larger than ${DEFAULT_MAX_OUTPUT_BYTES} bytes`,
    );
  });

  it('do not concern what is no template', () => {
    const text = 'x'.repeat(2 * MAX_TEMPLATE_BYTES);
    expect(run(text, 1)).toBe(text);
    const bytes = Buffer.from(text);
    expect(expandBytes('t', bytes, { data: NIL, functions: NONE, maxOutputBytes: 1 })).toBe(bytes);
  });
});
