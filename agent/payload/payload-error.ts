import { NetdError } from '#base/errors.ts';

/**
 * A task's secrets or configs cannot be given to its container. Docker finds out when it starts the container, so the
 * task is FAILED with `starting container failed: ` before this text (spec swarmkit-worker §4.13).
 */
export class PayloadError extends NetdError {
  constructor(message: string, cause?: unknown) {
    super('bad-payload', message, { cause });
  }
}
