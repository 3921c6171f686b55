import { create, equals } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { type ServerErrorResponse, status } from '@grpc/grpc-js';
import { type Clock, systemClock } from '#base/clock.ts';
import { createNotifier } from '#base/notifier.ts';
import type { Random } from '#base/random.ts';
import {
  type AssignmentsMessage,
  type AssignmentsRequestSchema,
  Dispatcher,
  type HeartbeatRequestSchema,
  HeartbeatResponseSchema,
  type SessionMessage,
  SessionMessageSchema,
  type SessionRequest,
  type SessionRequestSchema,
  type UpdateTaskStatusRequestSchema,
  UpdateTaskStatusResponseSchema,
  type UpdateVolumeStatusRequestSchema,
  UpdateVolumeStatusResponseSchema,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import { NodeSchema, NodeStatus_State as NodeState } from '#proto/gen/swarmkit/types_pb.js';
import { AssignmentSet } from './assignment-set.ts';
import type { FakeCa } from './ca.ts';
import { type CallGuard, type Outgoing, outgoing, unary } from './calls.ts';
import { Faults, type FaultyMethod } from './faults.ts';
import { refusal } from './refusal.ts';
import { Registrations } from './registrations.ts';
import type { FakeService } from './server.ts';
import type { FakeSwarm } from './swarm.ts';
import { takeTaskStatuses } from './task-status-rules.ts';

export interface DispatcherOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** The leader waits this long for more changes before it tells them; managers wait 100 ms. */
  readonly batchMs?: number;
  /** True for a node that is not in the swarm's list yet but has a certificate: it has just joined. */
  readonly hasJoined?: (nodeId: string) => boolean;
}

/** One call as it came in. */
export interface DispatcherCall {
  readonly method: FaultyMethod;
  readonly nodeId: string;
  readonly sessionId: string;
}

interface LiveStream {
  readonly method: FaultyMethod;
  readonly nodeId: string;
  readonly end: (error: ServerErrorResponse) => void;
}

/**
 * The Dispatcher of a swarm's leader (spec swarmkit-worker §3). Served by several managers at once it is what a worker sees
 * of them all: followers hand every call to the leader. Where no fault is set, it does what a real one does.
 */
export class FakeDispatcher {
  readonly swarm: FakeSwarm;
  readonly faults = new Faults();
  readonly registrations: Registrations;
  readonly calls: DispatcherCall[] = [];
  /** Volumes workers say they have let go of. */
  readonly unpublished: string[] = [];
  readonly #streams = new Set<LiveStream>();
  readonly #clock: Clock;
  readonly #batchMs: number;
  readonly #guard: CallGuard;
  readonly #hasJoined: (nodeId: string) => boolean;

  constructor(ca: FakeCa, swarm: FakeSwarm, options: DispatcherOptions = {}) {
    this.swarm = swarm;
    this.#clock = options.clock ?? systemClock;
    this.#batchMs = options.batchMs ?? 100;
    this.#hasJoined = options.hasJoined ?? (() => false);
    this.#guard = { ca, swarm, faults: this.faults, clock: this.#clock };
    this.registrations = new Registrations(this.#clock, options.random ?? Math.random, (nodeId) =>
      swarm.setNodeStatus(nodeId, NodeState.DOWN, 'heartbeat failure'),
    );
  }

  services(): FakeService[] {
    const guard = this.#guard;
    return [
      [
        Dispatcher,
        {
          session: outgoing<typeof SessionRequestSchema, SessionMessage>(guard, 'session', this.#session),
          heartbeat: unary<typeof HeartbeatRequestSchema, typeof HeartbeatResponseSchema>(
            guard,
            'heartbeat',
            (nodeId, { sessionId }) => {
              this.#note('heartbeat', nodeId, sessionId);
              const periodMs = this.registrations.beat(nodeId, sessionId);
              return create(HeartbeatResponseSchema, { period: durationFromMs(Math.round(periodMs)) });
            },
          ),
          assignments: outgoing<typeof AssignmentsRequestSchema, AssignmentsMessage>(
            guard,
            'assignments',
            this.#assignments,
          ),
          updateTaskStatus: unary<typeof UpdateTaskStatusRequestSchema, typeof UpdateTaskStatusResponseSchema>(
            guard,
            'updateTaskStatus',
            (nodeId, request) => {
              this.#note('updateTaskStatus', nodeId, request.sessionId);
              this.registrations.check(nodeId, request.sessionId);
              takeTaskStatuses(this.swarm, nodeId, request);
              return create(UpdateTaskStatusResponseSchema);
            },
          ),
          updateVolumeStatus: unary<typeof UpdateVolumeStatusRequestSchema, typeof UpdateVolumeStatusResponseSchema>(
            guard,
            'updateVolumeStatus',
            (nodeId, request) => {
              this.#note('updateVolumeStatus', nodeId, request.sessionId);
              this.registrations.check(nodeId, request.sessionId);
              for (const { id, unpublished } of request.updates) if (unpublished) this.unpublished.push(id);
              return create(UpdateVolumeStatusResponseSchema);
            },
          ),
        },
      ],
    ];
  }

  /** How often a method was called so far. */
  count(method: FaultyMethod): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  /** Ends the open streams of these methods, or all, with this error. */
  endStreams(error: ServerErrorResponse, ...methods: readonly FaultyMethod[]): void {
    for (const stream of [...this.#streams]) {
      if (methods.length === 0 || methods.includes(stream.method)) stream.end(error);
    }
  }

  /** How many streams of a method are open. */
  open(method: FaultyMethod): number {
    return [...this.#streams].filter((stream) => stream.method === method).length;
  }

  /** Another process with the node's identity registers. */
  replaceSession(nodeId: string): void {
    this.registrations.open(nodeId, '');
    this.swarm.changed();
  }

  /** Another manager leads from now on: it knows nobody, and the streams of the old one end. */
  stepDown(): void {
    this.registrations.clear();
    for (const id of this.swarm.nodes.keys()) {
      this.swarm.setNodeStatus(
        id,
        NodeState.UNKNOWN,
        'Node moved to "unknown" state due to leadership change in cluster',
      );
    }
    this.endStreams(refusal(status.ABORTED, 'node must disconnect'));
  }

  readonly #session = async (stream: Outgoing<SessionMessage>, request: SessionRequest, peer: string) => {
    const { nodeId } = stream;
    this.#note('session', nodeId, request.sessionId);
    if (!this.swarm.nodes.has(nodeId) && this.#hasJoined(nodeId)) this.swarm.addNode(nodeId);
    if (!this.swarm.nodes.has(nodeId)) throw refusal(status.UNKNOWN, 'node not found');
    const sessionId = this.registrations.open(nodeId, request.sessionId);
    this.#describe(nodeId, request, peer);
    await this.#clock.sleep(this.#batchMs, stream.signal);
    let sent: SessionMessage | undefined;
    await this.#watch('session', stream, sessionId, async () => {
      const message = this.sessionMessage(nodeId, sessionId);
      if (sent && equals(SessionMessageSchema, sent, message)) return;
      sent = message;
      const edited = this.faults.editSession?.(message) ?? message;
      for (let copies = 0; copies < this.faults.sessionCopies; copies++) await stream.send(edited);
    });
  };

  readonly #assignments = async (
    stream: Outgoing<AssignmentsMessage>,
    { sessionId }: { readonly sessionId: string },
  ) => {
    const { nodeId } = stream;
    this.#note('assignments', nodeId, sessionId);
    this.registrations.check(nodeId, sessionId);
    const assigned = new AssignmentSet(this.swarm, nodeId);
    let first = true;
    await this.#watch('assignments', stream, sessionId, async () => {
      if (!first) await this.#clock.sleep(this.#batchMs, stream.signal);
      const message = first ? assigned.complete() : assigned.incremental();
      first = false;
      const edited = message && this.faults.editAssignments ? this.faults.editAssignments(message) : message;
      if (edited) await stream.send(edited);
    });
  };

  /** What a worker in this session is to know: a snapshot, repeated whole with every message. */
  sessionMessage(nodeId: string, sessionId: string): SessionMessage {
    const node = this.swarm.nodes.get(nodeId);
    return create(SessionMessageSchema, {
      sessionId,
      ...(node ? { node } : {}),
      managers: this.swarm.managers.map((peer) => ({ peer, weight: 10n })),
      networkBootstrapKeys: [...this.swarm.keys],
      rootCa: this.swarm.rootBundle,
    });
  }

  #describe(nodeId: string, request: SessionRequest, peer: string): void {
    const node = this.swarm.nodes.get(nodeId);
    if (!node) return;
    const { description } = request;
    this.swarm.nodes.set(nodeId, create(NodeSchema, { ...node, ...(description ? { description } : {}) }));
    this.swarm.setNodeStatus(nodeId, NodeState.READY, '', peer.replace(/:\d+$/, ''));
  }

  /** Runs `tell` now and after every change of the swarm, for as long as the session is good. */
  async #watch(
    method: FaultyMethod,
    stream: Pick<Outgoing<never>, 'nodeId' | 'signal' | 'end'>,
    sessionId: string,
    tell: () => Promise<void>,
  ): Promise<void> {
    const changes = createNotifier();
    let dirty = true;
    const unlisten = this.swarm.onChange(() => {
      dirty = true;
      changes.notify();
    });
    const live = { method, nodeId: stream.nodeId, end: stream.end };
    this.#streams.add(live);
    try {
      for (;;) {
        if (!dirty) await changes.wait(stream.signal);
        dirty = false;
        this.registrations.check(stream.nodeId, sessionId);
        await tell();
      }
    } finally {
      this.#streams.delete(live);
      unlisten();
    }
  }

  #note(method: FaultyMethod, nodeId: string, sessionId: string): void {
    this.calls.push({ method, nodeId, sessionId });
  }
}
