import { describe, expect, test } from 'vitest';
import { seededRandom } from '#base/random.ts';
import { MAX_REMOTES, Remotes } from './remotes.ts';
import { observedWeight, PEER_WEIGHT, pickWeighted } from './weights.ts';

const a = { nodeId: 'a', addr: '10.0.0.1:2377' };
const b = { nodeId: 'b', addr: '10.0.0.2:2377' };
const c = { nodeId: 'c', addr: '10.0.0.3:2377' };
const weighted = (...peers: { nodeId: string; addr: string }[]) =>
  peers.map((peer) => ({ ...peer, weight: PEER_WEIGHT }));

describe('observedWeight', () => {
  test.each([
    [0, 10, 5],
    [5, 10, 8],
    [8, 10, 9],
    [9, 10, 10],
    [10, 10, 10],
    [5, -10, -2],
    [0, -10, -5],
    [-5, -10, -7],
    [-9, -10, -9],
    [-1, 0, 0],
    [0, 100_000, 128],
    [256, 100_000, 256],
    [-256, -100_000, -256],
  ])('%d after %d is %d', (old, observation, weight) => {
    expect(observedWeight(old, observation)).toBe(weight);
  });
});

test('pickWeighted follows the weights, and forgets nobody', () => {
  const random = seededRandom(7);
  const counts = [0, 0, 0];
  for (let i = 0; i < 20_000; i++) {
    const index = pickWeighted([10, 30, -50], random);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  const [first = 0, second = 0, third = 0] = counts;
  expect(second / first).toBeGreaterThan(2.7);
  expect(second / first).toBeLessThan(3.3);
  expect(third).toBeLessThan(20); // 0.001 / 40.003 of 20,000 is a half
  expect(pickWeighted([-5, -5], () => 0.999999)).toBe(1);
  expect(pickWeighted([], () => 0)).toBe(-1);
});

describe('Remotes', () => {
  test('has nobody to select at first', () => {
    expect(() => new Remotes(Math.random).select()).toThrow(expect.objectContaining({ code: 'no-manager' }));
  });

  test('starts each known manager at weight 5', () => {
    expect(new Remotes(Math.random, [a, b]).weights()).toEqual([
      { ...a, weight: 5 },
      { ...b, weight: 5 },
    ]);
  });

  test('a manager that fails is hardly selected any more', () => {
    const remotes = new Remotes(seededRandom(1), [a, b]);
    for (let i = 0; i < 5; i++) remotes.observe(a, -PEER_WEIGHT);
    const selected = Array.from({ length: 200 }, () => remotes.select().nodeId);
    expect(selected.filter((id) => id === 'a').length).toBeLessThan(3);
  });

  test('avoids the excluded address as long as there is another', () => {
    const remotes = new Remotes(seededRandom(2), [a, b]);
    expect(new Set(Array.from({ length: 50 }, () => remotes.select(a.addr).nodeId))).toEqual(new Set(['b']));
    expect(new Remotes(Math.random, [a]).select(a.addr)).toEqual(a);
  });

  test('a manager list replaces what was known, except the weights of those that stay', () => {
    const remotes = new Remotes(Math.random, [a, b]);
    remotes.setSeen(weighted(b, c));
    expect(remotes.weights()).toEqual([
      { ...b, weight: 8 },
      { ...c, weight: 5 },
    ]);
  });

  test('the address given by hand goes once the list names its node', () => {
    const remotes = new Remotes(Math.random, [{ nodeId: '', addr: a.addr }]);
    remotes.setSeen(weighted(a));
    expect(remotes.peers()).toEqual([a]);
  });

  test('a list with nothing usable in it changes nothing', () => {
    const remotes = new Remotes(Math.random, [a]);
    remotes.setSeen([]);
    remotes.setSeen([{ nodeId: 'x', addr: '', weight: 10 }]);
    expect(remotes.peers()).toEqual([a]);
  });

  test('a bad experience with a manager that has gone does not bring it back', () => {
    const remotes = new Remotes(Math.random, [a, b]);
    remotes.setSeen(weighted(b));
    remotes.observe(a, -PEER_WEIGHT);
    expect(remotes.peers()).toEqual([b]);
  });

  test('tells of changes of the set, once each, and not of weights', () => {
    const remotes = new Remotes(Math.random, [a]);
    const told: string[][] = [];
    const stop = remotes.onChange((peers) => told.push(peers.map(({ nodeId }) => nodeId)));
    remotes.observe(a, PEER_WEIGHT);
    remotes.setSeen(weighted(a));
    remotes.setSeen(weighted(c, b));
    remotes.observe(a, PEER_WEIGHT);
    stop();
    remotes.setSeen(weighted(a));
    expect(told).toEqual([
      ['b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });

  test('does not grow without end', () => {
    const remotes = new Remotes(Math.random);
    remotes.setSeen(weighted(...Array.from({ length: 1000 }, (_, i) => ({ nodeId: `${i}`, addr: `m${i}:2377` }))));
    expect(remotes.peers().length).toBe(MAX_REMOTES);
  });
});
