/** Addresses remembered: three times the largest cluster. Only who holds a key of the cluster gets in here. */
const MAX_ADDRESSES = 16_384;

/** When a packet last came from an IP address: what an operator wants to know of a peer that is said to be gone. */
export class LastHeard {
  readonly #atMs = new Map<string, number>();

  note(ip: string, nowMs: number): void {
    // Starting anew costs a few dashes on a screen.
    if (this.#atMs.size >= MAX_ADDRESSES && !this.#atMs.has(ip)) this.#atMs.clear();
    this.#atMs.set(ip, nowMs);
  }

  ageMs(ip: string, nowMs: number): number | undefined {
    const atMs = this.#atMs.get(ip);
    return atMs === undefined ? undefined : nowMs - atMs;
  }
}
