import type { Client } from '@grpc/grpc-js';
import { createNotifier, type Notifier } from '#base/notifier.ts';
import { LogBroker, type SubscriptionMessage } from '#proto/gen/swarmkit/logbroker_pb.js';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import { callClientStream } from '#proto/grpc.ts';
import type { RequestResult } from './log-request.ts';
import { selects } from './log-selector.ts';
import { createPublisher, type Publisher } from './publisher.ts';
import { followTaskLog, type LogSources, sendTaskLog, type TaskLogContext } from './task-log.ts';

/** One `docker service logs` somewhere, as far as this node is concerned. */
export interface Subscription {
  /** Something about the task is new, or it is gone. */
  readonly taskChanged: (taskId: string) => void;
  /** Answers to the end. @throws the publishing call's error, or `signal.reason` */
  readonly run: (client: Client) => Promise<void>;
}

/** Logs read at once for a subscription that does not follow: enough to keep the connection busy. */
const READ_AT_ONCE = 8;

/**
 * @param request what the options of the message mean
 * @param signal aborts when the manager closes the subscription, or the session ends
 */
export function createSubscription(
  message: SubscriptionMessage,
  request: RequestResult,
  nodeId: string,
  sources: LogSources,
  signal: AbortSignal,
): Subscription {
  /** Tasks followed, until the node forgets them: one whose log has ended is not followed again. */
  const followed = new Map<string, Notifier>();
  let follow: (task: Task) => void = () => {};

  const wanted = (): readonly Task[] =>
    sources.tasks
      .all()
      .flatMap(({ task }) => (task !== undefined && selects(message.selector, task, nodeId) ? [task] : []));

  const sendAll = async (context: TaskLogContext, inside: AbortSignal): Promise<void> => {
    const waiting = wanted().values();
    const sendNext = async () => {
      for (const task of waiting) await sendTaskLog(context, task, inside);
    };
    await Promise.all(Array.from({ length: READ_AT_ONCE }, sendNext));
  };

  const followAll = (context: TaskLogContext, inside: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      if (inside.aborted) return reject(inside.reason);
      inside.addEventListener('abort', () => reject(inside.reason), { once: true });
      follow = (task) => {
        const changes = createNotifier();
        followed.set(task.id, changes);
        const gone = () => followed.get(task.id) !== changes;
        followTaskLog(context, task, { wait: changes.wait, gone }, inside).catch(reject);
      };
      for (const task of wanted()) follow(task);
    });

  /** Everything but the close message; ends at once when publishing fails, whatever is being read. */
  const sendLogs = async (publisher: Publisher): Promise<void> => {
    if (request.kind === 'refused') {
      sources.log.warn({ reason: request.reason }, 'a log subscription cannot be served');
      return;
    }
    const failed = new AbortController();
    const inside = AbortSignal.any([signal, failed.signal]);
    const context: TaskLogContext = {
      ...sources,
      nodeId,
      request: request.request,
      publisher: {
        ...publisher,
        send: (messages) =>
          publisher.send(messages).catch((error: unknown) => {
            failed.abort(error);
            throw error;
          }),
      },
    };
    try {
      await (request.request.follow ? followAll(context, inside) : sendAll(context, inside));
    } finally {
      follow = () => {};
      failed.abort(new Error('the subscription has ended'));
    }
  };

  return {
    taskChanged: (taskId) => {
      const task = sources.tasks.get(taskId)?.task;
      followed.get(taskId)?.notify();
      if (task === undefined) followed.delete(taskId);
      else if (!followed.has(taskId) && selects(message.selector, task, nodeId)) follow(task);
    },
    run: async (client) => {
      const call = callClientStream(client, LogBroker.method.publishLogs, { signal });
      try {
        const publisher = createPublisher(call, message.id);
        await sendLogs(publisher);
        await publisher.close();
      } finally {
        call.cancel(); // of no effect on a call that has ended
      }
    },
  };
}
