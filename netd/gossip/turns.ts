/** Work in steps, each short enough for one turn of the event loop. */
export type Steps<T> = Generator<void, T>;

interface Job {
  readonly steps: Steps<unknown>;
  readonly done: (value: unknown) => void;
  readonly failed: (error: unknown) => void;
}

/** The event loop is one for the process, and so is this: four frames sealed at a time must not be four steps in a turn. */
const waiting: Job[] = [];
let isArmed = false;

/**
 * Carries out work in steps, of all work at once one step in a turn of the event loop, so that pings and timers come
 * between. Work that begins while there is no other takes its first step at once: most frames have no second one.
 */
export function inTurns<T>(steps: Steps<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const job: Job = { steps, done: (value) => resolve(value as T), failed: reject };
  if (isArmed) waiting.push(job);
  else {
    step(job);
    arm();
  }
  return promise;
}

function arm(): void {
  if (isArmed || waiting.length === 0) return;
  isArmed = true;
  setImmediate(() => {
    isArmed = false;
    const job = waiting.shift();
    if (job !== undefined) step(job);
    arm();
  });
}

function step(job: Job): void {
  try {
    const result = job.steps.next();
    if (result.done) job.done(result.value);
    else waiting.push(job);
  } catch (error) {
    job.failed(error);
  }
}
