import { expect, test } from 'vitest';
import { inTurns, type Steps } from './turns.ts';

function* steps(name: string, count: number, log: string[]): Steps<string> {
  for (let step = 1; step <= count; step++) {
    log.push(`${name}${step}`);
    if (step < count) yield;
  }
  return name;
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('of all work at once one step is taken in a turn, in turns; the first of all at once', async () => {
  const log: string[] = [];
  const work = [inTurns(steps('a', 3, log)), inTurns(steps('b', 2, log)), inTurns(steps('c', 1, log))];
  const perTurn = [log.length];
  for (let turn = 0; turn < 5; turn++) {
    await nextTurn();
    perTurn.push(log.length);
  }
  expect(await Promise.all(work)).toEqual(['a', 'b', 'c']);
  expect(log).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
  expect(perTurn).toEqual([1, 2, 3, 4, 5, 6]);
});

test('work that fails fails alone, in whichever step', async () => {
  const log: string[] = [];
  // biome-ignore lint/correctness/useYield: it fails in its first step
  const atOnce = function* (): Steps<never> {
    throw new Error('at once');
  };
  const later = function* (): Steps<never> {
    yield;
    throw new Error('later');
  };
  const work = [inTurns(atOnce()), inTurns(later()), inTurns(steps('a', 2, log))];
  const ended = await Promise.allSettled(work);
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  expect(await inTurns(steps('b', 1, log))).toBe('b');
});
