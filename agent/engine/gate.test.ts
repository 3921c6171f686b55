import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGate, type Gate } from './gate.ts';

let gate: Gate;
let begun: string[];
let end: Map<string, (error?: Error) => void>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  gate = createGate(2, 1000);
  begun = [];
  end = new Map();
});
afterEach(() => vi.useRealTimers());

const work = (name: string) =>
  gate(
    () =>
      new Promise<string>((resolve, reject) => {
        begun.push(name);
        end.set(name, (error) => (error ? reject(error) : resolve(name)));
      }),
  );
/** Everything that is ready has run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a gate', () => {
  it('lets in so many at once, in the order they came, and gives what they give', async () => {
    const all = ['a', 'b', 'c', 'd'].map(work);
    await settled();
    expect(begun).toEqual(['a', 'b']);
    end.get('b')?.();
    expect(await all[1]).toBe('b');
    await settled();
    expect(begun).toEqual(['a', 'b', 'c']);
    end.get('a')?.(new Error('no'));
    await expect(all[0]).rejects.toThrow('no');
    await settled();
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    expect(vi.getTimerCount()).toBe(2); // those that are inside
  });

  it('gives the place of what hangs to the next, and still tells how it ended', async () => {
    const all = ['a', 'b', 'c'].map(work);
    await settled();
    vi.advanceTimersByTime(999);
    await settled();
    expect(begun).toEqual(['a', 'b']);
    vi.advanceTimersByTime(1);
    await settled();
    expect(begun).toEqual(['a', 'b', 'c']);
    end.get('a')?.(new Error('after all'));
    await expect(all[0]).rejects.toThrow('after all');
    end.get('b')?.();
    expect(await all[1]).toBe('b');
  });
});
