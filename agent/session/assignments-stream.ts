import { setImmediate as nextTurn } from 'node:timers/promises';
import { create, fromBinary } from '@bufbuild/protobuf';
import { type Client, status as Code } from '@grpc/grpc-js';
import type { Logger } from '#base/log.ts';
import { type AssignmentsFrame, AssignmentsFrameSchema } from '#proto/gen/swarmkit/assignments_frame_pb.js';
import {
  AssignmentChangeSchema,
  type AssignmentsMessage,
  AssignmentsMessageSchema,
  Dispatcher,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import type { VolumeAssignment } from '#proto/gen/swarmkit/types_pb.js';
import { callServerStream, callUnary } from '#proto/grpc.ts';
import type { Assignments, TakenAssignments } from './assignments.ts';
import { RPC_TIMEOUT_MS } from './heartbeat.ts';
import { grpcCode } from './session-end.ts';

/** The Assignments call, its messages decoded by us: see AssignmentsFrame. */
const FRAMES = { ...Dispatcher.method.assignments, output: AssignmentsFrameSchema } as const;

/** Changes are decoded up to this many bytes a turn of the event loop, which takes some 5 ms. */
const DECODED_BYTES_PER_TURN = 64 * 1024;

/** A manager whose assignments never fit together is left for another session, which waits its backoff first. */
const MOST_GAPS = 3;

/** Reads assignments, asking for a complete set again after a gap; ends with the session (spec swarmkit-worker §3.10). */
export async function runAssignments(
  client: Client,
  sessionId: string,
  assignments: Assignments,
  onTaken: (taken: TakenAssignments) => void,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (let gaps = 0; gaps < MOST_GAPS; gaps++) {
    assignments.restart();
    const whole = await readStream();
    if (whole) return;
    log.warn('assignments arrived with a gap, asking for all of them again');
  }
  throw new Error(`the manager sent assignments with a gap ${MOST_GAPS} times in one session`);

  /** False after a gap. */
  async function readStream(): Promise<boolean> {
    for await (const frame of callServerStream(client, FRAMES, { sessionId }, { signal })) {
      const taken = assignments.take(await decodeFrame(frame, signal));
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
      // The next assignments wait for this: without a limit, a manager that never answers would have sent its last ones.
      const limits = { timeoutMs: RPC_TIMEOUT_MS, signal };
      await callUnary(client, Dispatcher.method.updateVolumeStatus, { sessionId, updates }, limits);
    } catch (error) {
      if (grpcCode(error) !== Code.UNIMPLEMENTED) throw error;
    }
  }
}

/** The whole message, decoded in slices with a turn for everything else in between. */
export async function decodeFrame(frame: AssignmentsFrame, signal: AbortSignal): Promise<AssignmentsMessage> {
  const { type, appliesTo, resultsIn } = frame;
  const message = create(AssignmentsMessageSchema, { type, appliesTo, resultsIn });
  let decoded = 0;
  for (const bytes of frame.changes) {
    if (decoded + bytes.length > DECODED_BYTES_PER_TURN && decoded > 0) {
      await nextTurn();
      signal.throwIfAborted();
      decoded = 0;
    }
    message.changes.push(fromBinary(AssignmentChangeSchema, bytes));
    decoded += bytes.length;
  }
  return message;
}
