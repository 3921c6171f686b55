/** Packets of one source that may fail to open in a second: each costs three decryptions (spec gossip §20). */
const MAX_FAILURES = 200;
/** Sources remembered within a second; datagram sources can be forged, memory not. */
const MAX_SOURCES = 4096;
const WINDOW_MS = 1000;

/** Stops listening, for the rest of the second, to addresses that send what nobody can open. */
export class SourceLimit {
  readonly #failures = new Map<string, number>();
  #windowEndMs = Number.NEGATIVE_INFINITY;

  /** True if packets of this source are worth a try. */
  allows(ip: string, nowMs: number): boolean {
    if (nowMs >= this.#windowEndMs) {
      this.#failures.clear();
      this.#windowEndMs = nowMs + WINDOW_MS;
    }
    return (this.#failures.get(ip) ?? 0) < MAX_FAILURES;
  }

  failed(ip: string): void {
    if (this.#failures.size >= MAX_SOURCES && !this.#failures.has(ip)) return;
    this.#failures.set(ip, (this.#failures.get(ip) ?? 0) + 1);
  }
}
