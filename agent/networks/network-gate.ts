import { SpecError } from '#agent/container/spec-error.ts';
import type { Clock } from '#base/clock.ts';
import type { Notifier } from '#base/notifier.ts';

/** What a network still lacks before a container can be put on it. */
export type NetworkLack =
  | { readonly kind: 'none' }
  /** It comes by itself, usually at once. */
  | { readonly kind: 'waiting'; readonly what: string; readonly tooLong: string }
  /** It never comes: the manager's description of the network is no use here. */
  | { readonly kind: 'refused'; readonly why: string };

/** As long as Docker waits for a node's addresses (spec swarmkit-worker §4.7). */
export const GATE_LIMIT_MS = 30_000;
/** What changes without a word of notice is looked at this often. */
const LOOK_MS = 500;

export interface GateOptions {
  /** Looks at all networks of the task. */
  readonly lack: () => NetworkLack;
  /** Told what is waited for, each time it is another thing. */
  readonly tell: (what: string) => void;
  readonly changes: Notifier;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Waits until the networks of a task can be used.
 *
 * @throws SpecError with the reason when one never can, or did not become so in time; the signal's reason
 */
export async function passGate({ lack, tell, changes, clock, signal }: GateOptions): Promise<void> {
  const untilMs = clock.monotonicMs() + GATE_LIMIT_MS;
  let told = '';
  for (;;) {
    const now = lack();
    if (now.kind === 'none') return;
    if (now.kind === 'refused') throw new SpecError(now.why);
    if (clock.monotonicMs() >= untilMs) throw new SpecError(now.tooLong);
    if (now.what !== told) tell(now.what);
    told = now.what;
    await changedOrLater(changes, clock, signal);
  }
}

async function changedOrLater(changes: Notifier, clock: Clock, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const scope = new AbortController();
  const inside = AbortSignal.any([signal, scope.signal]);
  const waits = [changes.wait(inside), clock.sleep(LOOK_MS, inside)];
  try {
    await Promise.race(waits);
  } finally {
    scope.abort(new Error('looked'));
    await Promise.allSettled(waits);
  }
}
