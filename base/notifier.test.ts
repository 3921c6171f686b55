import { describe, expect, it } from 'vitest';
import { createNotifier } from './notifier.ts';

const quiet = new AbortController().signal;

describe('createNotifier', () => {
  it('wakes everybody who waits, once', async () => {
    const notifier = createNotifier();
    const woken: string[] = [];
    const both = Promise.all(['a', 'b'].map((name) => notifier.wait(quiet).then(() => woken.push(name))));
    notifier.notify();
    await both;
    expect(woken).toEqual(['a', 'b']);
  });

  it('does not wake who begins to wait while others are being woken', async () => {
    const notifier = createNotifier();
    const scope = new AbortController();
    const again = notifier.wait(quiet).then(() => notifier.wait(scope.signal));
    notifier.notify();
    await Promise.resolve();
    scope.abort('still waiting');
    await expect(again).rejects.toBe('still waiting');
  });

  it('keeps nothing for those who come later', async () => {
    const notifier = createNotifier();
    notifier.notify();
    await expect(notifier.wait(AbortSignal.abort('late'))).rejects.toBe('late');
  });

  it('lets go of a waiter whose signal aborts, with the reason', async () => {
    const notifier = createNotifier();
    const scope = new AbortController();
    const waiting = notifier.wait(scope.signal);
    scope.abort('enough');
    await expect(waiting).rejects.toBe('enough');
    notifier.notify();
  });
});
