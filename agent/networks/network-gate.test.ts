import { expect, it } from 'vitest';
import { createNotifier } from '#base/notifier.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { GATE_LIMIT_MS, type NetworkLack, passGate } from './network-gate.ts';

const waiting = (what: string): NetworkLack => ({ kind: 'waiting', what, tooLong: `never: ${what}` });

function gate(first: NetworkLack) {
  const clock = new VirtualClock();
  const changes = createNotifier();
  const told: string[] = [];
  const caller = new AbortController();
  let lack = first;
  const passed = passGate({ lack: () => lack, tell: (what) => told.push(what), changes, clock, signal: caller.signal });
  passed.catch(() => {});
  const now = (next: NetworkLack) => {
    lack = next;
    changes.notify();
  };
  return { clock, told, passed, now, caller };
}

it('lets a task through whose networks are there', async () => {
  const { passed, told } = gate({ kind: 'none' });
  await passed;
  expect(told).toEqual([]);
});

it('says what is waited for, each thing once', async () => {
  const { passed, told, now } = gate(waiting('an address'));
  await Promise.resolve();
  now(waiting('an address'));
  await new Promise(setImmediate);
  now(waiting('the engine'));
  await new Promise(setImmediate);
  now({ kind: 'none' });
  await passed;
  expect(told).toEqual(['an address', 'the engine']);
});

it('refuses at once what can never be', async () => {
  await expect(gate({ kind: 'refused', why: 'no subnet' }).passed).rejects.toThrow('no subnet');
});

it('gives up when it takes too long', async () => {
  const { clock, passed } = gate(waiting('an address'));
  await clock.advance(GATE_LIMIT_MS + 1000);
  await expect(passed).rejects.toThrow('never: an address');
});

it('ends with the one who waits', async () => {
  const { passed, caller } = gate(waiting('an address'));
  caller.abort(new Error('not wanted any more'));
  await expect(passed).rejects.toThrow('not wanted any more');
});
