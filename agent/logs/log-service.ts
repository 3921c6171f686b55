import { type Client, status as Code } from '@grpc/grpc-js';
import { grpcCode } from '#agent/session/session-end.ts';
import { errorText } from '#base/errors.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { LogBroker, type SubscriptionMessage } from '#proto/gen/swarmkit/logbroker_pb.js';
import { callServerStream } from '#proto/grpc.ts';
import { logRequest, type RequestResult } from './log-request.ts';
import { createSubscription, type Subscription } from './subscription.ts';
import type { LogSources } from './task-log.ts';

/** The worker's side of `docker service logs` (spec swarmkit-worker §6). */
export interface LogService {
  /**
   * Serves the subscriptions a manager hands out over this connection; a new connection starts with none. Resolves when
   * the signal aborts.
   *
   * @throws the error of the stream of subscriptions. A manager that has no log broker is no error: there is nothing to
   * serve then.
   */
  readonly serve: (client: Client, signal: AbortSignal) => Promise<void>;
  /** A task was assigned, has changed its status, or (`undefined`) is gone. */
  readonly taskChanged: (taskId: string, record: TaskRecord | undefined) => void;
}

export interface LogServiceOptions extends LogSources {
  readonly nodeId: () => string;
}

/** Subscriptions served at once; one more is answered with nothing. Each is somebody's open `docker service logs`. */
const MOST_SUBSCRIPTIONS = 256;
/** Ids of finished subscriptions remembered, so that one delivered twice at the start is not answered twice. */
const MOST_FINISHED = 1024;

interface Running {
  readonly subscription: Subscription;
  readonly scope: AbortController;
  readonly ended: Promise<void>;
}

export function createLogService(options: LogServiceOptions): LogService {
  const sessions = new Set<ReadonlyMap<string, Running>>();

  return {
    serve: async (client, signal) => {
      const running = new Map<string, Running>();
      sessions.add(running);
      const scope = new AbortController();
      try {
        await serveSession(client, running, AbortSignal.any([signal, scope.signal]));
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        scope.abort(new Error('the session has ended'));
        await Promise.all([...running.values()].map(({ ended }) => ended));
        sessions.delete(running);
      }
    },
    taskChanged: (taskId) => {
      for (const running of sessions) for (const { subscription } of running.values()) subscription.taskChanged(taskId);
    },
  };

  async function serveSession(client: Client, running: Map<string, Running>, signal: AbortSignal): Promise<void> {
    const finished = new Set<string>();
    try {
      for await (const message of callServerStream(client, LogBroker.method.listenSubscriptions, {}, { signal })) {
        if (message.close) running.get(message.id)?.scope.abort(new Error('the manager has closed the subscription'));
        else if (!running.has(message.id) && !finished.has(message.id)) start(message);
      }
    } catch (error) {
      if (grpcCode(error) !== Code.UNIMPLEMENTED) throw error;
      options.log.info('the manager has no log broker: docker service logs will show nothing of this node');
      return aborted(signal);
    }
    throw new Error('the manager has ended the stream of log subscriptions');

    function start(message: SubscriptionMessage): void {
      const { id } = message;
      const log = options.log.child({ subscription: id });
      const scope = new AbortController();
      const request: RequestResult =
        running.size < MOST_SUBSCRIPTIONS
          ? logRequest(message.options)
          : { kind: 'refused', reason: `${MOST_SUBSCRIPTIONS} log subscriptions are open already` };
      const inside = AbortSignal.any([signal, scope.signal]);
      const subscription = createSubscription(message, request, options.nodeId(), { ...options, log }, inside);
      const ended = subscription
        .run(client)
        .catch((error: unknown) => {
          if (inside.aborted) return;
          // The user has gone: the manager forgets the subscription before we hear of it.
          const level = grpcCode(error) === Code.NOT_FOUND ? 'debug' : 'warn';
          log[level]({ error: errorText(error) }, 'a log subscription has failed');
        })
        .finally(() => {
          running.delete(id);
          finished.add(id);
          for (const oldest of finished) if (finished.size > MOST_FINISHED) finished.delete(oldest);
        });
      running.set(id, { subscription, scope, ended });
      log.debug({ follow: message.options?.follow ?? false }, 'log subscription');
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
