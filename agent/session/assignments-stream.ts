import { type Client, status as Code } from '@grpc/grpc-js';
import type { Logger } from '#base/log.ts';
import { Dispatcher } from '#proto/gen/swarmkit/dispatcher_pb.js';
import type { VolumeAssignment } from '#proto/gen/swarmkit/types_pb.js';
import { callServerStream, callUnary } from '#proto/grpc.ts';
import type { Assignments, TakenAssignments } from './assignments.ts';
import { grpcCode } from './session-end.ts';

/** Reads assignments, asking for a complete set again after a gap; ends with the session (spec swarmkit-worker §3.10). */
export async function runAssignments(
  client: Client,
  sessionId: string,
  assignments: Assignments,
  onTaken: (taken: TakenAssignments) => void,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    assignments.restart();
    const whole = await readStream();
    if (whole) return;
    log.warn('assignments arrived with a gap, asking for all of them again');
  }

  /** False after a gap. */
  async function readStream(): Promise<boolean> {
    const stream = callServerStream(client, Dispatcher.method.assignments, { sessionId }, { signal });
    for await (const message of stream) {
      const taken = assignments.take(message);
      if (taken === 'gap') return false;
      onTaken(taken);
      if (taken.removedVolumes.length > 0) await confirmUnpublished(taken.removedVolumes);
    }
    return true;
  }

  /** netd publishes no cluster volume, so each one the manager takes back is already unpublished (spec §4.16). */
  async function confirmUnpublished(volumes: readonly VolumeAssignment[]): Promise<void> {
    const updates = volumes.map(({ id }) => ({ id, unpublished: true }));
    try {
      await callUnary(client, Dispatcher.method.updateVolumeStatus, { sessionId, updates }, { signal });
    } catch (error) {
      if (grpcCode(error) !== Code.UNIMPLEMENTED) throw error;
    }
  }
}
