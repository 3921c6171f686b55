import type { Duration } from '@bufbuild/protobuf/wkt';
import type { HealthConfig } from '#proto/gen/swarmkit/types_pb.js';
import type { HealthcheckBody } from './engine-bodies.ts';

/**
 * The health check as the engine takes it. Members that are zero or empty are the image's, and so are all of them when
 * there is no health check in the spec; `["NONE"]` switches the image's off (spec swarmkit-worker §2.10).
 */
export function healthcheckBody(health: HealthConfig | undefined): HealthcheckBody | undefined {
  if (health === undefined) return undefined;
  const interval = nanoseconds(health.interval);
  const timeout = nanoseconds(health.timeout);
  const startPeriod = nanoseconds(health.startPeriod);
  const startInterval = nanoseconds(health.startInterval);
  return {
    ...(health.test.length > 0 && { Test: health.test }),
    // Negative values are errors the engine words well itself, so they are passed on.
    ...(interval !== 0 && { Interval: interval }),
    ...(timeout !== 0 && { Timeout: timeout }),
    ...(health.retries !== 0 && { Retries: health.retries }),
    ...(startPeriod !== 0 && { StartPeriod: startPeriod }),
    ...(startInterval !== 0 && { StartInterval: startInterval }),
  };
}

/** Exact up to 104 days, above any interval a health check has. */
function nanoseconds(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds * 1_000_000_000n + BigInt(duration.nanos));
}
