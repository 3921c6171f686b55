import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BroadcastQueue } from './broadcast-queue.ts';

function bytes(length: number, mark = 0): Buffer {
  return Buffer.alloc(length, mark);
}

function marks(taken: readonly Buffer[]): (number | undefined)[] {
  return taken.map((one) => one[0]);
}

describe('the broadcast queue', () => {
  test('serves the least sent first, then the longest, then the newest', () => {
    const queue = new BroadcastQueue();
    queue.put('a', bytes(10, 1));
    expect(marks(queue.take(2, 100, 4))).toEqual([1]);
    queue.put('b', bytes(10, 2));
    queue.put('c', bytes(20, 3));
    queue.put('d', bytes(10, 4));
    expect(marks(queue.take(2, 100, 4))).toEqual([3, 4, 2, 1]);
    // Sent 1, 1, 1, 2 times now: the room decides who goes.
    expect(marks(queue.take(2, 24, 4))).toEqual([3]);
    expect(marks(queue.take(2, 24, 4))).toEqual([4, 2]);
  });

  test('a message is done after its last copy', () => {
    const queue = new BroadcastQueue();
    queue.put('a', bytes(10));
    for (let copy = 0; copy < 3; copy++) expect(queue.take(0, 100, 3)).toHaveLength(1);
    expect(queue.take(0, 100, 3)).toEqual([]);
    expect([queue.size, queue.has('a')]).toEqual([0, false]);
  });

  test('a newer message takes the place of the older one under its key', () => {
    const queue = new BroadcastQueue();
    queue.put('a', bytes(10, 1));
    queue.take(0, 100, 9);
    queue.put('a', bytes(12, 2));
    expect(queue.size).toBe(1);
    expect(marks(queue.take(0, 100, 9))).toEqual([2]);
  });

  test('what does not fit stays, what fits behind it goes', () => {
    const queue = new BroadcastQueue();
    queue.put('big', bytes(100, 1));
    queue.put('small', bytes(10, 2));
    expect(marks(queue.take(2, 50, 4))).toEqual([2]);
    expect(queue.has('big')).toBe(true);
  });

  test('a full queue loses what was said most', () => {
    const queue = new BroadcastQueue(3);
    queue.put('a', bytes(10, 1));
    queue.take(0, 100, 9);
    for (const [index, key] of ['b', 'c', 'd'].entries()) queue.put(key, bytes(10, 2 + index));
    expect([queue.size, queue.overflows, queue.has('a')]).toEqual([3, 1, false]);
  });

  test('whatever happens, nothing exceeds the room, comes twice in a packet, or is sent more than its share', () => {
    const step = fc.oneof(
      fc.record({ put: fc.nat(12), length: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ room: fc.integer({ min: 0, max: 120 }) }),
      fc.record({ remove: fc.nat(12) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const queue = new BroadcastQueue(8);
        const copies = new Map<Buffer, number>();
        const limit = 3;
        for (const one of steps) {
          if ('put' in one) queue.put(`k${one.put}`, bytes(one.length));
          else if ('remove' in one) queue.delete(`k${one.remove}`);
          else {
            const taken = queue.take(2, one.room, limit);
            expect(new Set(taken).size).toBe(taken.length);
            expect(taken.reduce((sum, message) => sum + message.length + 2, 0)).toBeLessThanOrEqual(one.room);
            for (const message of taken) copies.set(message, (copies.get(message) ?? 0) + 1);
          }
          expect(queue.size).toBeLessThanOrEqual(8);
        }
        for (const count of copies.values()) expect(count).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 200 },
    );
  });
});
