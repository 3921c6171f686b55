import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { TemplateError } from './error.ts';
import { type Functions, stringFunction, stringOf } from './functions.ts';
import { fromText } from './go-string.ts';
import { expand } from './template.ts';
import { NIL, type StructValue, stringValue, type Value } from './value.ts';

// What Go itself answers. Recorded with the docker command line 28.2.2 (Go 1.24.3), whose --format takes Go templates:
// `docker container inspect --format` against a stand-in for the engine that served the data below. That command sets
// missingkey=error for data like this, and names its template "". It adds functions of its own, of which the templates
// use two. Whatever shows a Go pointer as an address, or goes 100000 templates deep, was left out.

type Answer = string | { readonly error: string };

function recorded(file: string): readonly (readonly [string, Answer])[] {
  return JSON.parse(readFileSync(new URL(`golden/${file}`, import.meta.url), 'utf8'));
}

function struct(type: string, fields: Readonly<Record<string, Value>>): StructValue {
  return { kind: 'struct', type, pointer: false, fields: new Map(Object.entries(fields)) };
}

const LABELS = { a: '1', b: 'two', 'c.d': `x<y>&'"z`, é: 'ü' };
const data = struct('container', {
  Config: struct('config', {
    Env: { kind: 'list', items: ['A=1', 'B=2'] },
    Labels: {
      kind: 'map',
      entries: new Map(Object.entries(LABELS).map(([key, value]) => [fromText(key), fromText(value)])),
    },
  }),
  Id: stringValue('abc'),
  Name: stringValue('/web'),
});

const functions: Functions = new Map([
  ['lower', stringFunction(1, (text = '') => text.toLowerCase())],
  [
    'split',
    {
      parameters: ['string', 'string'],
      call: ([text = NIL, separator = NIL]) => ({ kind: 'list', items: stringOf(text).split(stringOf(separator)) }),
    },
  ],
]);

function answer(template: string): Answer {
  try {
    return expand('', template, { data, functions });
  } catch (error) {
    if (error instanceof TemplateError) return { error: error.message };
    throw error;
  }
}

it.each(['answers.json', 'printf.json'])('%s: the answers are those of Go', (file) => {
  const answers = recorded(file);
  expect(answers.length).toBeGreaterThan(500);
  // One assertion for all, so that a mistake shows every template it touches.
  expect(answers.map(([template]) => [template, answer(template)])).toEqual(answers);
});
