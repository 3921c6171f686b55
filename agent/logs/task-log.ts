import type { ContainerInspect, Engine } from '#agent/engine/engine.ts';
import { observedContainer } from '#agent/tasks/observed.ts';
import type { Clock } from '#base/clock.ts';
import { errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { type Task, TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { readContainerLog, withinSilenceLimit } from './container-log.ts';
import { type FollowFacts, followStep, mayReadLater } from './follow-step.ts';
import type { LogRequest } from './log-request.ts';
import type { Publisher } from './publisher.ts';
import { createTaskSender, type TaskSender } from './task-sender.ts';

/** Where logs are found. */
export interface LogSources {
  readonly engine: Pick<Engine, 'containerLogs' | 'inspectContainer'>;
  readonly tasks: {
    readonly all: () => readonly TaskRecord[];
    readonly get: (taskId: string) => TaskRecord | undefined;
  };
  readonly containerName: (task: Task) => string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What one subscription wants of them, and where that goes. */
export interface TaskLogContext extends LogSources {
  readonly nodeId: string;
  readonly request: LogRequest;
  readonly publisher: Publisher;
}

/** What happens to a task that is followed. */
export interface TaskNews {
  /** Resolves when something about the task is new. */
  readonly wait: (signal: AbortSignal) => Promise<void>;
  /** The node has forgotten the task; if it is given back, that is another's concern. */
  readonly gone: () => boolean;
}

/** How soon to look again for a container that is about to start, or an engine that is away. */
const LOOK_AGAIN_MS = 500;

/**
 * Sends what is there now of a task's log, also when its container has ended. What cannot be read is this node's own
 * business: it is logged, and the manager gets less.
 *
 * @param signal aborts too when publishing has failed
 * @throws only `signal.reason`
 */
export async function sendTaskLog(context: TaskLogContext, task: Task, signal: AbortSignal): Promise<void> {
  try {
    const inspect = await look(context, task, signal);
    if (inspect === undefined) return;
    await read(context, inspect, createTaskSender({ ...context, task }, signal), signal);
  } catch (error) {
    signal.throwIfAborted();
    reportUnreadable(context, task, error);
  }
}

/**
 * Sends a task's log as it grows, from the start of its container, waiting for that if need be, until container or task
 * has ended. When the engine goes away and comes back, sending goes on where it was.
 *
 * @param signal aborts too when publishing has failed
 * @throws only `signal.reason`
 */
export async function followTaskLog(
  context: TaskLogContext,
  followed: Task,
  news: TaskNews,
  signal: AbortSignal,
): Promise<void> {
  let request = context.request;
  let sender: TaskSender | undefined;
  let lastRead: FollowFacts['lastRead'] = 'none';
  for (;;) {
    const turn = new AbortController();
    const inside = AbortSignal.any([signal, turn.signal]);
    const changed = news.wait(inside); // before we look, so that what changes meanwhile wakes us
    changed.catch(() => {}); // nobody waits for it while we read
    try {
      const record = context.tasks.get(followed.id);
      if (record === undefined || news.gone()) return;
      const state = record.status?.state ?? TaskState.NEW;
      const seen = await lookUnlessAway(context, followed, signal);
      const container = seen && observedContainer(seen.inspect);
      // What a container started from now on says is new, also to somebody who asked for no old lines.
      const started = container === undefined || container.kind === 'running' || container.kind === 'exited';
      if (state < TaskState.STARTING || !started) request = { ...request, tail: 'all' };
      const step = followStep({ state, lastRead, container });
      if (step.kind === 'done') return;
      if (step.kind === 'wait') await changed;
      if (step.kind === 'look-again') {
        await Promise.race([changed, context.clock.sleep(LOOK_AGAIN_MS, inside)]);
        lastRead = 'none';
      }
      if (step.kind === 'read' && seen?.inspect) {
        sender ??= createTaskSender({ ...context, request, task: followed }, signal);
        try {
          await read(context, seen.inspect, sender, signal);
          lastRead = container?.kind === 'exited' ? 'whole' : 'ended';
        } catch (error) {
          signal.throwIfAborted();
          if (!mayReadLater(error)) return reportUnreadable(context, followed, error);
          lastRead = 'failed';
        }
      }
    } finally {
      turn.abort(new Error('the turn is over'));
    }
  }
}

function look(context: TaskLogContext, task: Task, signal: AbortSignal): Promise<ContainerInspect | undefined> {
  return withinSilenceLimit(context.engine.inspectContainer(context.containerName(task)), context.clock, signal);
}

/** Undefined when the engine does not answer, or not to the point: whoever watches the engine tells of that. */
async function lookUnlessAway(
  context: TaskLogContext,
  task: Task,
  signal: AbortSignal,
): Promise<{ readonly inspect: ContainerInspect | undefined } | undefined> {
  try {
    return { inspect: await look(context, task, signal) };
  } catch (error) {
    signal.throwIfAborted();
    context.log.debug({ task: task.id, error: errorText(error) }, 'following a log waits for the engine');
    return undefined;
  }
}

function read(context: TaskLogContext, inspect: ContainerInspect, sender: TaskSender, signal: AbortSignal) {
  const container = { id: inspect.Id, tty: inspect.Config.Tty };
  return readContainerLog(context.engine, container, sender.begin(), sender.take, context.clock, signal);
}

function reportUnreadable(context: TaskLogContext, task: Task, error: unknown): void {
  const fields = { task: task.id, service: task.serviceAnnotations?.name, error: errorText(error) };
  context.log.warn(fields, 'a task log cannot be read');
}
