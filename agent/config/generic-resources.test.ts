import { describe, expect, it } from 'vitest';
import { parseGenericResources } from './generic-resources.ts';

describe('parseGenericResources', () => {
  it.each<[readonly string[], readonly unknown[]]>([
    [[], []],
    [['gpu=4'], [{ tag: 'discrete', kind: 'gpu', value: 4 }]],
    [['gpu=0'], [{ tag: 'discrete', kind: 'gpu', value: 0 }]],
    [['gpu=UUID1'], [{ tag: 'named', kind: 'gpu', value: 'UUID1' }]],
    [[' gpu = UUID1 '], [{ tag: 'named', kind: 'gpu', value: 'UUID1' }]],
    [
      ['gpu=UUID1', 'ssd=2', 'gpu=UUID2'],
      [
        { tag: 'named', kind: 'gpu', value: 'UUID1' },
        { tag: 'named', kind: 'gpu', value: 'UUID2' },
        { tag: 'discrete', kind: 'ssd', value: 2 },
      ],
    ],
    [['gpu=2x'], [{ tag: 'named', kind: 'gpu', value: '2x' }]],
  ])('%j', (entries, expected) => {
    expect(parseGenericResources(entries)).toEqual(expected);
  });

  it.each<[readonly string[], RegExp]>([
    [['gpu'], /"gpu" is not KIND=VALUE/],
    [['gpu='], /"gpu=" is not KIND=VALUE/],
    [['=4'], /"=4" is not KIND=VALUE/],
    [['gpu=a=b'], /is not KIND=VALUE/],
    [['gpu=a b'], /space or a comma/],
    [['gpu=1', 'gpu=UUID1'], /mixes a number \(1\) with names/],
    [['gpu=1', 'gpu=2'], /more than one number: 1, 2/],
    [['gpu=a', 'gpu=a'], /"gpu=a" is given twice/],
    [['gpu=-1'], /is not between 0 and/],
    [['gpu=9007199254740993'], /is not between 0 and/],
    [Array.from({ length: 1001 }, (_, i) => `gpu=u${i}`), /at most 1000/],
  ])('refuses %j', (entries, message) => {
    expect(() => parseGenericResources(entries)).toThrow(message);
  });
});
