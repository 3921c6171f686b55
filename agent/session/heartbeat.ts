import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Client } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { Dispatcher, type HeartbeatResponse } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { callUnary } from '#proto/grpc.ts';

/** Dial and RPC deadline of everything a worker asks of a manager (spec swarmkit-worker §0.2). */
export const RPC_TIMEOUT_MS = 5000;

const DEFAULT_PERIOD_MS = 5000;
/** Bounds for what a manager may ask: no flood on a period of zero, no silence on an absurd one. */
const SHORTEST_PERIOD_MS = 100;
const LONGEST_PERIOD_MS = 3_600_000;

/** Beats until the signal aborts; rejects with the first failure, which ends the session (spec swarmkit-worker §3.5). */
export async function runHeartbeats(
  client: Client,
  sessionId: string,
  onBeat: (periodMs: number) => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    const answer = await callUnary(
      client,
      Dispatcher.method.heartbeat,
      { sessionId },
      { timeoutMs: RPC_TIMEOUT_MS, signal },
    );
    const periodMs = heartbeatPeriodMs(answer);
    onBeat(periodMs);
    await clock.sleep(periodMs, signal);
  }
}

export function heartbeatPeriodMs(answer: HeartbeatResponse): number {
  const askedMs = answer.period ? durationMs(answer.period) : 0;
  if (!(askedMs > 0)) return DEFAULT_PERIOD_MS;
  return Math.min(LONGEST_PERIOD_MS, Math.max(SHORTEST_PERIOD_MS, askedMs));
}
