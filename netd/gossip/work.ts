import type { Io } from './io.ts';
import { DecodeError } from './wire/decode-error.ts';

interface Job {
  readonly steps: Generator<void, unknown>;
  readonly done: (value: unknown) => void;
  readonly failed: (error: DecodeError) => void;
}

/**
 * Long work of a core in steps of a few milliseconds: the first at once, as most work has no second one; then of all work
 * at once one step in a tick, in turns, so that packets and other timers come between.
 */
export class Work {
  readonly #io: Io;
  readonly #waiting: Job[] = [];
  #isArmed = false;

  constructor(io: Io) {
    this.#io = io;
  }

  /** @param failed told of input that cannot be read; any other error is a mistake of ours and is thrown */
  run<T>(steps: Generator<void, T>, done: (value: T) => void, failed: (error: DecodeError) => void): void {
    this.#step({ steps, done: (value) => done(value as T), failed });
  }

  #step(job: Job): void {
    let next: IteratorResult<void, unknown>;
    try {
      next = job.steps.next();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      job.failed(error);
      return;
    }
    if (next.done) {
      job.done(next.value);
      return;
    }
    this.#waiting.push(job);
    this.#arm();
  }

  #arm(): void {
    if (this.#isArmed || this.#waiting.length === 0) return;
    this.#isArmed = true;
    this.#io.timers.at(this.#io.nowMs, () => {
      this.#isArmed = false;
      const job = this.#waiting.shift();
      try {
        if (job !== undefined) this.#step(job);
      } finally {
        this.#arm();
      }
    });
  }
}
