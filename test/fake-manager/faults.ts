import type { status } from '@grpc/grpc-js';
import type { AssignmentsMessage, SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';

export type FaultyMethod =
  | 'session'
  | 'heartbeat'
  | 'assignments'
  | 'updateTaskStatus'
  | 'updateVolumeStatus'
  | 'listenSubscriptions'
  | 'publishLogs';

/** What goes wrong with the calls of one method; the first `times` of them, or all. */
export type Fault = { readonly times?: number } & (
  | { readonly kind: 'refuse'; readonly code: status; readonly details: string }
  /** No answer, until the worker gives up. */
  | { readonly kind: 'silence' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** The stream ends with status OK before its first message. */
  | { readonly kind: 'end' }
);

/** The faults of a manager, to be changed at any time. They count for the calls and messages that follow. */
export class Faults {
  readonly #byMethod = new Map<FaultyMethod, { readonly fault: Fault; left: number }>();
  /** Changes each session message on its way out. */
  editSession: ((message: SessionMessage) => SessionMessage) | undefined;
  /** So many times each session message is sent. */
  sessionCopies = 1;
  /** Changes each assignments message on its way out; undefined swallows it. */
  editAssignments: ((message: AssignmentsMessage) => AssignmentsMessage | undefined) | undefined;

  set(method: FaultyMethod, fault: Fault): void {
    this.#byMethod.set(method, { fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(...methods: readonly FaultyMethod[]): void {
    for (const method of methods) this.#byMethod.delete(method);
  }

  /** The fault of the next call, which counts as one of its times. */
  take(method: FaultyMethod): Fault | undefined {
    const entry = this.#byMethod.get(method);
    if (!entry || entry.left <= 0) return undefined;
    entry.left -= 1;
    return entry.fault;
  }
}
