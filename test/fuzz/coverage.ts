import { Session } from 'node:inspector';

/** Sources whose coverage guides: what reads and handles what peers send. */
const GUIDING = /\/netd\/gossip\//;

/**
 * Which blocks of the gossip sources have run, as V8 counts them (inspector protocol, `Profiler.takePreciseCoverage`).
 * Counting slows those sources down by about half; asking costs a millisecond.
 */
export class Coverage implements Disposable {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    this.takeNew();
  }

  /** Blocks that had run by the last `takeNew`. */
  get blocks(): number {
    return this.#seen.size;
  }

  /** Blocks that ran since the last call and never before. */
  takeNew(): ReadonlySet<string> {
    const fresh = new Set<string>();
    // In the same thread the answer comes before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, report) => {
      if (error !== null) throw error;
      for (const { url, functions } of report.result) {
        if (!GUIDING.test(url)) continue;
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            const block = `${url} ${startOffset} ${endOffset}`;
            if (count === 0 || this.#seen.has(block)) continue;
            fresh.add(block);
            this.#seen.add(block);
          }
        }
      }
    });
    return fresh;
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }
}
