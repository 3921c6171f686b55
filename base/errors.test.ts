import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { errorChain, errorText, isErrno, isNetdError, NetdError } from './errors.ts';

describe('errors', () => {
  it.each<[string, unknown, string]>([
    ['an error', new Error('no room'), 'no room'],
    ['an error without words', new RangeError(), 'RangeError'],
    ['a string', 'no', 'no'],
    ['nothing', undefined, 'undefined'],
  ])('say what %s says', (_, error, text) => {
    expect(errorText(error)).toBe(text);
  });

  it('tell their causes, each once', () => {
    const root = new Error('connect ENOENT /run/x.sock');
    const middle = new NetdError('engine-unreachable', 'the engine cannot be reached: connect ENOENT /run/x.sock', {
      cause: root,
    });
    const error = new Error('the node cannot start', { cause: middle });
    expect(errorChain(error)).toBe('the node cannot start: the engine cannot be reached: connect ENOENT /run/x.sock');
  });

  it('tell a chain that goes in a circle, to an end', () => {
    const a = new Error('a');
    const b = new Error('b', { cause: a });
    a.cause = b;
    expect(errorChain(a)).toBe('a: b');
  });

  it('are told apart by code and by errno', async () => {
    const error = new NetdError('bad-token', 'no', { mend: 'copy it again' });
    expect([
      isNetdError(error, 'bad-token'),
      isNetdError(error, 'other'),
      isNetdError('bad-token', 'bad-token'),
    ]).toEqual([true, false, false]);
    const missing: unknown = await readFile('/nowhere/at/all').catch((reason: unknown) => reason);
    expect(isErrno(missing, 'EACCES', 'ENOENT')).toBe(true);
    expect(isErrno(missing, 'EACCES')).toBe(false);
    expect(isErrno('ENOENT', 'ENOENT')).toBe(false);
  });
});
