import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { familiarImage, parseImageReference } from './image-reference.ts';

const hex = 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c';
const digest = `sha256:${hex}`;

describe('the image given to the engine', () => {
  it.each([
    ['nginx', 'nginx:latest'],
    ['nginx:1.27', 'nginx:1.27'],
    ['library/nginx', 'nginx:latest'],
    ['docker.io/nginx', 'nginx:latest'],
    ['docker.io/library/nginx:1', 'nginx:1'],
    ['index.docker.io/library/nginx', 'nginx:latest'],
    ['docker.io/library/a/b', 'library/a/b:latest'],
    ['someone/app', 'someone/app:latest'],
    [`nginx@${digest}`, `nginx@${digest}`],
    [`nginx:1.27@${digest}`, `nginx:1.27@${digest}`],
    [`docker.io/library/nginx:1.27@${digest}`, `nginx:1.27@${digest}`],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['registry.example.com/team/app:v2', 'registry.example.com/team/app:v2'],
    ['[fd00::1]:5000/app', '[fd00::1]:5000/app:latest'],
    ['UPPER/app', 'UPPER/app:latest'],
    ['a__b/c-d.e--f', 'a__b/c-d.e--f:latest'],
    [digest, digest],
  ])('%s is %s', (text, expected) => {
    expect(familiarImage(parseImageReference(text))).toBe(expected);
  });

  it.each([
    '',
    hex,
    'Nginx',
    'nginx:',
    'nginx:-bad',
    `nginx:${'t'.repeat(129)}`,
    'a//b',
    'a/b/',
    'a..b',
    'nginx@sha256:abc',
    ' nginx',
    'example.com:port/app',
    `${'a'.repeat(256)}`,
    'x'.repeat(5000),
  ])('%s cannot be read and stays as it is', (text) => {
    expect(parseImageReference(text)).toEqual({ kind: 'unreadable', text });
    expect(familiarImage(parseImageReference(text))).toBe(text);
  });

  it('knows what is an id', () => {
    expect(parseImageReference(digest).kind).toBe('id');
    expect(parseImageReference('sha256:abc').kind).toBe('named');
  });

  it('gives the same text when read again, whatever the input', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,4}([._-][a-z0-9]{1,4})?$/);
    const reference = fc
      .tuple(
        fc.option(fc.constantFrom('docker.io', 'localhost', 'r.example:5000', 'index.docker.io'), { nil: undefined }),
        fc.array(component, { minLength: 1, maxLength: 3 }),
        fc.option(fc.stringMatching(/^\w[\w.-]{0,8}$/), { nil: undefined }),
        fc.boolean(),
      )
      .map(([domain, path, tag, pinned]) => {
        const name = [...(domain === undefined ? [] : [domain]), ...path].join('/');
        return name + (tag === undefined ? '' : `:${tag}`) + (pinned ? `@${digest}` : '');
      });
    fc.assert(
      fc.property(reference, (text) => {
        const once = familiarImage(parseImageReference(text));
        expect(parseImageReference(once).kind).toBe('named');
        expect(familiarImage(parseImageReference(once))).toBe(once);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void parseImageReference(text)));
  });
});
