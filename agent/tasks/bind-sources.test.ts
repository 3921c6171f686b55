import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createBindSourceCheck } from './bind-sources.ts';

afterEach(() => vi.useRealTimers());

describe('a look at bind sources', () => {
  it('takes what is there, and names what is not', async () => {
    const check = createBindSourceCheck();
    await expect(check(tmpdir())).resolves.toBeUndefined();
    const path = join(tmpdir(), 'netd-bind-sources', 'not-there');
    await expect(check(path)).rejects.toThrow(path);
    await expect(check(join(import.meta.filename, 'below-a-file'))).resolves.toBeUndefined(); // ENOTDIR: for the engine to say
  });

  it('keeps one thread at most, and holds no start up for long, when file systems hang', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const looked: string[] = [];
    const check = createBindSourceCheck((path) => {
      looked.push(path);
      return new Promise(() => {});
    });
    const checks = ['/a', '/b', '/c'].map(check);
    await vi.advanceTimersByTimeAsync(2999);
    expect(looked).toEqual(['/a']);
    const late = check('/d');
    await vi.advanceTimersByTimeAsync(1);
    await Promise.all(checks);
    await vi.advanceTimersByTimeAsync(2999);
    await late;
    expect(looked).toEqual(['/a']);
    for (let i = 0; i < 200; i++) void check(`/e${i}`);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(100);
  });
});
