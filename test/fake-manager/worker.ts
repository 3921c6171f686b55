import { create } from '@bufbuild/protobuf';
import { type Assignments, createAssignments, type TakenAssignments } from '#agent/session/assignments.ts';
import { createSession, describesAnew, type Session, type SessionOptions } from '#agent/session/session.ts';
import type { SessionEnd } from '#agent/session/session-end.ts';
import { createOutbox, type Outbox } from '#agent/tasks/outbox.ts';
import type { Clock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { createNotifier } from '#base/notifier.ts';
import { type Random, seededRandom } from '#base/random.ts';
import type { Credentials } from '#pki/credentials.ts';
import { Remotes } from '#pki/remotes.ts';
import type { SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { type NodeDescription, NodeDescriptionSchema } from '#proto/gen/swarmkit/types_pb.js';
import { eventually } from './eventually.ts';
import type { FakeManagers } from './managers.ts';

export interface WorkerOptions {
  readonly clock: Clock;
  /** Draws the waits between sessions; 0 waits not at all. */
  readonly random?: Random;
  readonly credentials?: Credentials;
  readonly session?: Partial<SessionOptions>;
}

/** The session of one worker against the fake managers, with everything it told. */
export class SessionUnderTest implements AsyncDisposable {
  readonly credentials: Credentials;
  readonly outbox: Outbox = createOutbox();
  readonly assignments: Assignments = createAssignments();
  readonly remotes: Remotes;
  readonly session: Session;
  readonly messages: SessionMessage[] = [];
  readonly registered: string[] = [];
  readonly ends: SessionEnd[] = [];
  readonly taken: TakenAssignments[] = [];
  /** Every manager dialled, in order. */
  readonly dialled: string[] = [];
  description: NodeDescription = create(NodeDescriptionSchema, { hostname: 'worker' });
  readonly #described = createNotifier();
  readonly #scope = new AbortController();
  readonly #running: Promise<void>;

  constructor(managers: FakeManagers, options: WorkerOptions) {
    this.credentials = options.credentials ?? managers.worker();
    // Managers are drawn apart from the waits, so that a test can fix the one without the other.
    this.remotes = new Remotes(
      seededRandom(1),
      managers.addresses.map((addr) => ({ nodeId: '', addr })),
    );
    this.session = createSession({
      selectManager: (failed) => this.remotes.select(failed),
      observeManager: (manager, weight) => this.remotes.observe(manager, weight),
      dial: (manager, signal) => {
        this.dialled.push(manager.addr);
        return managers.dial(this.credentials, manager.addr, signal);
      },
      describe: async () => this.description,
      describedAnew: async (sent, signal) => {
        while (!describesAnew(sent, this.description)) await this.#described.wait(signal);
        return this.description;
      },
      assignments: this.assignments,
      outbox: this.outbox,
      lastSessionId: '',
      onMessage: (message) => {
        this.messages.push(message);
        this.remotes.setSeen(
          message.managers.flatMap(({ peer, weight }) =>
            peer ? [{ nodeId: peer.nodeId, addr: peer.addr, weight: Number(weight) }] : [],
          ),
        );
      },
      onRegistered: (id) => this.registered.push(id),
      onAssignments: (taken) => this.taken.push(taken),
      serveLogs: (_, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
      onEnd: (end) => this.ends.push(end),
      clock: options.clock,
      random: options.random ?? (() => 0),
      log: silentLogger,
      ...options.session,
    });
    this.#running = this.session.run(this.#scope.signal);
  }

  get nodeId(): string {
    return this.credentials.nodeId;
  }

  describeAs(hostname: string): void {
    this.description = create(NodeDescriptionSchema, { hostname });
    this.#described.notify();
  }

  /** Resolves once the worker has registered so many times, and has its assignments. */
  async settled(times: number): Promise<void> {
    await eventually(() => this.registered.length >= times, `the worker registers ${times} times`);
    await eventually(() => this.taken.length >= times, `the worker gets its assignments ${times} times`);
  }

  async stop(): Promise<void> {
    this.#scope.abort(new Error('the test is over'));
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
