import { equals } from '@bufbuild/protobuf';
import type { Client } from '@grpc/grpc-js';
import type { Outbox } from '#agent/tasks/outbox.ts';
import type { Clock } from '#base/clock.ts';
import { errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { Dispatcher, type SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';
import {
  type NodeDescription,
  NodeDescriptionSchema,
  NodeStatus_State as NodeState,
} from '#proto/gen/swarmkit/types_pb.js';
import { callServerStream } from '#proto/grpc.ts';
import type { Assignments, TakenAssignments } from './assignments.ts';
import { runAssignments } from './assignments-stream.ts';
import { RPC_TIMEOUT_MS, runHeartbeats } from './heartbeat.ts';
import { sessionBackoffBoundMs } from './session-backoff.ts';
import { DescriptionChanged, type SessionEnd, sessionEnd } from './session-end.ts';
import { runStatusReports } from './status-reports.ts';

/** A manager as dialled. */
export interface Manager {
  readonly nodeId: string;
  readonly addr: string;
}

export interface SessionOptions {
  /** Picks the manager to try next, one at another address than that which has just failed if there is any; throws when none is known. */
  readonly selectManager: (failed: string | undefined) => Manager;
  /** How it went: +10 a success, -10 a failure (spec swarmkit-worker §3.8). */
  readonly observeManager: (manager: Manager, weight: number) => void;
  readonly dial: (manager: Manager, signal: AbortSignal) => Promise<Client>;
  /** What this node is; waits while that is not known (the engine is away). */
  readonly describe: (signal: AbortSignal) => Promise<NodeDescription>;
  /** Resolves with the next description that differs from the one given. */
  readonly describedAnew: (sent: NodeDescription, signal: AbortSignal) => Promise<NodeDescription>;
  readonly assignments: Assignments;
  readonly outbox: Outbox;
  /** The id an earlier run of this process had, so that the manager may take the session up where it was. */
  readonly lastSessionId: string;
  readonly onMessage: (message: SessionMessage) => void;
  readonly onRegistered: (sessionId: string) => void;
  readonly onAssignments: (taken: TakenAssignments) => void;
  /** Serves log subscriptions over this connection until the signal aborts; rejects if the stream fails. */
  readonly serveLogs: (client: Client, signal: AbortSignal) => Promise<void>;
  /** Told after each end; the view is the session's own. */
  readonly onEnd: (end: SessionEnd) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Where the session is, for status. Times are milliseconds since the epoch. */
export type SessionState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'connecting'; readonly manager: Manager; readonly failures: number; readonly error?: string }
  | {
      readonly kind: 'registered';
      readonly manager: Manager;
      readonly sinceMs: number;
      readonly heartbeatPeriodMs: number;
      readonly lastHeartbeatMs: number;
    }
  | {
      readonly kind: 'waiting';
      readonly end: Exclude<SessionEnd, { kind: 'described' }>;
      readonly failures: number;
      readonly untilMs: number;
    };

export interface Session {
  readonly state: () => SessionState;
  /** Of the present or the last session; empty before the first. */
  readonly sessionId: () => string;
  /** Sessions in a row that another process with our identity seems to have ended; none once one is left alone. */
  readonly replacedInARow: () => number;
  /** Keeps a session open until the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/**
 * A session that lasts this long, the longest wait, has worked: the next wait is short again. Were it enough to register
 * (spec §3.9), a manager that lets us in and then breaks off, or a message we cannot take, would have us back at once for ever.
 */
const SETTLED_MS = 8000;
/**
 * A manager takes the old heartbeat timer of a node away only after it has taken down that the node is ready again. When it runs
 * out in between, the node stays down until it registers once more, however well it beats. One beat may be answered before the
 * manager's own change reaches us.
 */
const BEATS_AS_DOWN = 2;
/** A session replaced this soon after it was registered points to a second process with our identity. */
const SUSPICIOUSLY_SHORT_MS = 30_000;

export function createSession(options: SessionOptions): Session {
  const { clock, log } = options;
  let state: SessionState = { kind: 'starting' };
  let sessionId = options.lastSessionId;
  let failures = 0;
  let failed: string | undefined;
  let replaced = 0;
  let registeredMs = 0;
  /** As the manager said last. */
  let isDown = false;
  const short = () => clock.monotonicMs() - registeredMs < SUSPICIOUSLY_SHORT_MS;

  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const end = await once(signal);
      if (end === undefined) continue;
      options.onEnd(end);
      if (end.kind === 'described') continue;
      failures++;
      const waitMs = Math.max(end.leastWaitMs, options.random() * sessionBackoffBoundMs(failures));
      state = { kind: 'waiting', end, failures, untilMs: clock.now() + waitMs };
      log.warn({ reason: end.kind, error: end.text, failures, waitMs: Math.round(waitMs) }, 'session ended');
      await clock.sleep(waitMs, signal).catch(() => {});
    }
  };

  /** One session from dial to end; undefined when we are told to stop. */
  const once = async (signal: AbortSignal): Promise<SessionEnd | undefined> => {
    let manager: Manager | undefined;
    const scope = new AbortController();
    const inside = AbortSignal.any([signal, scope.signal]);
    let client: Client | undefined;
    try {
      const description = await options.describe(inside);
      manager = options.selectManager(failed);
      state = { kind: 'connecting', manager, failures };
      client = await options.dial(manager, inside);
      await serve(client, manager, description, inside, scope);
      throw new Error('the manager has ended the session');
    } catch (error) {
      if (signal.aborted) return undefined;
      const end = sessionEnd(error);
      if (state.kind === 'registered' && clock.monotonicMs() - registeredMs >= SETTLED_MS) failures = 0;
      // An attempt that never registered says nothing: two that evict each other soon run into the rate limit as well.
      if (state.kind === 'registered') replaced = end.kind === 'replaced' && short() ? replaced + 1 : 0;
      if (manager) options.observeManager(manager, -10);
      failed = end.kind === 'described' ? undefined : manager?.addr;
      return end;
    } finally {
      scope.abort(new Error('the session has ended'));
      client?.close();
    }
  };

  /** Registers, then runs the parts of a session together: the first that ends, ends them all. */
  const serve = async (
    client: Client,
    manager: Manager,
    description: NodeDescription,
    signal: AbortSignal,
    scope: AbortController,
  ): Promise<void> => {
    const stream = callServerStream(client, Dispatcher.method.session, { description, sessionId }, { signal });
    const first = await within(RPC_TIMEOUT_MS, stream.next(), clock, signal);
    if (first.done) throw new Error('the manager has ended the session before its first message');
    if (first.value.sessionId === '') throw new Error('the manager gave the session no id');
    sessionId = first.value.sessionId;
    const id = sessionId;
    registeredMs = clock.monotonicMs();
    options.observeManager(manager, 10);
    heed(first.value);
    state = { kind: 'registered', manager, sinceMs: clock.now(), heartbeatPeriodMs: 0, lastHeartbeatMs: clock.now() };
    log.info({ manager: manager.addr, managerId: manager.nodeId }, 'session registered');
    options.onRegistered(id);

    let beatsAsDown = 0;
    const onBeat = (heartbeatPeriodMs: number) => {
      if (state.kind === 'registered') state = { ...state, heartbeatPeriodMs, lastHeartbeatMs: clock.now() };
      beatsAsDown = isDown ? beatsAsDown + 1 : 0;
      if (beatsAsDown < BEATS_AS_DOWN) return;
      sessionId = '';
      throw new Error('the manager answers our heartbeats and has this node as down: registering anew');
    };
    const parts = [
      runHeartbeats(client, id, onBeat, clock, signal),
      readMessages(stream),
      runAssignments(client, id, options.assignments, options.onAssignments, log, signal),
      runStatusReports(client, id, options.outbox, log, signal),
      options.serveLogs(client, signal),
      options.describedAnew(description, signal).then(() => {
        throw new DescriptionChanged('the node description has changed');
      }),
    ];
    try {
      await Promise.race(parts);
    } finally {
      scope.abort(new Error('the session has ended'));
      await Promise.allSettled(parts);
    }
  };

  const readMessages = async (stream: AsyncGenerator<SessionMessage, void, undefined>): Promise<void> => {
    for await (const message of stream) {
      if (message.sessionId !== '') sessionId = message.sessionId;
      heed(message);
    }
  };

  const heed = (message: SessionMessage): void => {
    if (message.node !== undefined) isDown = message.node.status?.state === NodeState.DOWN;
    options.onMessage(message);
  };

  return {
    state: () => state,
    sessionId: () => sessionId,
    replacedInARow: () => (state.kind === 'registered' && !short() ? 0 : replaced),
    run,
  };
}

/** True if the manager would learn something new from `next`. */
export function describesAnew(sent: NodeDescription, next: NodeDescription): boolean {
  return !equals(NodeDescriptionSchema, sent, next);
}

async function within<T>(timeoutMs: number, work: Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  const scope = new AbortController();
  const timeout = clock.sleep(timeoutMs, AbortSignal.any([signal, scope.signal])).then(
    () => {
      throw new Error(`the manager did not answer within ${timeoutMs / 1000} s`);
    },
    (reason: unknown) => {
      throw reason;
    },
  );
  try {
    return await Promise.race([work, timeout]);
  } finally {
    scope.abort(new Error('answered'));
    timeout.catch((error: unknown) => errorText(error)); // its abort is our own doing
    work.catch(() => {}); // a late failure has nobody left to tell
  }
}
