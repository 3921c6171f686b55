/**
 * Statements, loop turns, commands and calls one expansion may take. Go would run for ever on
 * `{{range 9223372036854775807}}{{end}}`; an agent has other tasks to look after. Legitimate templates take hundreds.
 */
export const MAX_STEPS = 500_000;

/**
 * Bytes that functions may read and produce in one expansion, which bounds both time and the memory that variables
 * can hold. Sixteen times the largest config there is.
 */
export const MAX_WORK_BYTES = 16 * 1024 * 1024;

/**
 * How deep templates, bodies and parentheses may be entered at run time. Evaluation recurses; Go stops at 100000
 * templates, which would not fit the stack here.
 */
export const MAX_DEPTH = 500;

/** Counts what an expansion has used. Each method is false once its bound is passed. */
export class Budget {
  readonly maxOutputBytes: number;
  #steps = 0;
  #workBytes = 0;
  #outputBytes = 0;
  #depth = 0;

  constructor(maxOutputBytes: number) {
    this.maxOutputBytes = maxOutputBytes;
  }

  step(): boolean {
    this.#steps++;
    return this.#steps <= MAX_STEPS;
  }

  work(bytes: number): boolean {
    this.#workBytes += bytes;
    return this.#workBytes <= MAX_WORK_BYTES;
  }

  output(bytes: number): boolean {
    this.#outputBytes += bytes;
    return this.#outputBytes <= this.maxOutputBytes;
  }

  enter(): boolean {
    this.#depth++;
    return this.#depth <= MAX_DEPTH;
  }

  leave(): void {
    this.#depth--;
  }
}
