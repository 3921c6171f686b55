import { expect, it } from 'vitest';
import { didYouMean, nearest } from './nearest.ts';

const keys = ['state-dir', 'run-dir', 'engine', 'log-level', 'labels'];

it.each<[string, string | undefined]>([
  ['state-dri', 'state-dir'], // two neighbours swapped
  ['statedir', 'state-dir'],
  ['run_dir', 'run-dir'],
  ['loglevel', 'log-level'],
  ['LABELS', 'labels'],
  ['label', 'labels'],
  ['xyz', undefined],
  ['a', undefined],
  ['', undefined],
  ['hostname', undefined],
])('%s means %s', (word, expected) => {
  expect(nearest(word, keys)).toBe(expected);
});

it('makes the tail of a message', () => {
  expect(didYouMean('engin', keys)).toBe(' (did you mean "engine"?)');
  expect(didYouMean('zzzzzzzz', keys)).toBe('');
});
