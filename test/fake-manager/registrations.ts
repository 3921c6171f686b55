import { status } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { newSwarmId } from '#base/ids.ts';
import type { Random } from '#base/random.ts';
import { refusal } from './refusal.ts';

interface Registration {
  readonly sessionId: string;
  /** Ends the present wait for the next heartbeat. */
  patience: AbortController;
}

const RATE_LIMIT_COUNT = 3;
const RATE_LIMIT_WINDOW_MS = 8000;
const GRACE_MULTIPLIER = 3;
/** The leader draws each period from one second around what the operator set. */
const JITTER_MS = 500;

/** Who is registered at the leader: session ids, the rate limit and the grace between heartbeats (spec §3.3-3.5). */
export class Registrations {
  periodMs = 5000;
  readonly #live = new Map<string, Registration>();
  readonly #recent = new Map<string, number[]>();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onExpired: (nodeId: string) => void;

  constructor(clock: Clock, random: Random, onExpired: (nodeId: string) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#onExpired = onExpired;
  }

  /** A session id that is still good is taken up again; anything else is a new registration, which is rationed. */
  open(nodeId: string, sessionId: string): string {
    const known = this.#live.get(nodeId);
    if (known && known.sessionId === sessionId) return sessionId;
    if (known) this.#ration(nodeId);
    else this.#recent.set(nodeId, [this.#clock.monotonicMs()]);
    known?.patience.abort(new Error('replaced'));
    const registration = { sessionId: newSwarmId(), patience: new AbortController() };
    this.#live.set(nodeId, registration);
    this.#expect(nodeId, registration, this.#draw());
    return registration.sessionId;
  }

  /** @returns the period until the next heartbeat is due, in milliseconds */
  beat(nodeId: string, sessionId: string): number {
    const registration = this.check(nodeId, sessionId);
    const periodMs = this.#draw();
    registration.patience.abort(new Error('a heartbeat came'));
    registration.patience = new AbortController();
    this.#expect(nodeId, registration, periodMs);
    return periodMs;
  }

  check(nodeId: string, sessionId: string): Registration {
    const registration = this.#live.get(nodeId);
    if (!registration) throw refusal(status.NOT_FOUND, 'node not registered');
    if (registration.sessionId !== sessionId) throw refusal(status.INVALID_ARGUMENT, 'session invalid');
    return registration;
  }

  sessionOf(nodeId: string): string | undefined {
    return this.#live.get(nodeId)?.sessionId;
  }

  nodes(): readonly string[] {
    return [...this.#live.keys()];
  }

  forget(nodeId: string): void {
    this.#live.get(nodeId)?.patience.abort(new Error('forgotten'));
    this.#live.delete(nodeId);
  }

  /** Another leader knows nobody. */
  clear(): void {
    for (const nodeId of this.nodes()) this.forget(nodeId);
    this.#recent.clear();
  }

  #ration(nodeId: string): void {
    const nowMs = this.#clock.monotonicMs();
    const recent = (this.#recent.get(nodeId) ?? []).filter((atMs) => nowMs - atMs < RATE_LIMIT_WINDOW_MS);
    if (recent.length >= RATE_LIMIT_COUNT) {
      throw refusal(status.UNAVAILABLE, `node ${nodeId} exceeded rate limit count of registrations`);
    }
    this.#recent.set(nodeId, [...recent, nowMs]);
  }

  #draw(): number {
    return this.periodMs - JITTER_MS + this.#random() * 2 * JITTER_MS;
  }

  #expect(nodeId: string, registration: Registration, periodMs: number): void {
    const { signal } = registration.patience;
    this.#clock.sleep(GRACE_MULTIPLIER * periodMs, signal).then(
      () => {
        if (this.#live.get(nodeId) !== registration) return;
        this.#live.delete(nodeId);
        this.#onExpired(nodeId);
      },
      () => {}, // a heartbeat came, or the session was replaced
    );
  }
}
