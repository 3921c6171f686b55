import { create } from '@bufbuild/protobuf';
import { EngineStuck, EngineUnreachable } from '#agent/engine/engine-error.ts';
import type { Clock } from '#base/clock.ts';
import { errorChain, errorText } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createReconciler } from '#base/reconciler.ts';
import { type TaskRecord, TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { type Task, TaskState, type TaskStatus } from '#proto/gen/swarmkit/types_pb.js';
import { NO_CONTAINER, type ResolvedTask, type TaskOperations } from './operations.ts';
import type { Outbox } from './outbox.ts';
import { type ContainerFacts, firstStatus, moved } from './status.ts';
import { failureState, nextStep, type Step, startFailed } from './step.ts';
import type { TaskStore } from './store.ts';

/** The tasks assigned to this node, each kept moving towards what the manager wants. */
export interface Tasks {
  /** Takes up what an earlier run left on disk. */
  readonly restore: (records: readonly TaskRecord[]) => void;
  readonly assign: (change: AssignedTasks) => void;
  /** Something may have happened to the container of this task. */
  readonly mark: (taskId: string) => void;
  readonly markAll: () => void;
  readonly get: (taskId: string) => TaskRecord | undefined;
  readonly all: () => readonly TaskRecord[];
  /** Puts the status of every task into the outbox: after each registration at a manager. */
  readonly reportAll: () => void;
  /** Resolves when no task wants a pass now. */
  readonly idle: () => Promise<void>;
  /** Stops working; containers are left as they are. */
  readonly close: () => Promise<void>;
}

/** What one assignments message says about tasks. */
export interface AssignedTasks {
  /** The list is everything: tasks not in it are no longer ours. */
  readonly complete: boolean;
  readonly update: readonly Task[];
  readonly remove: readonly string[];
}

export interface TasksOptions {
  readonly operations: TaskOperations;
  readonly store: TaskStore;
  readonly outbox: Outbox;
  /** False while secrets or configs of the task may still be on their way. */
  readonly inputsReady: (task: Task) => boolean;
  /** Called after each change of a task's status, and with `undefined` when the task is gone. */
  readonly onChange?: (taskId: string, record: TaskRecord | undefined) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Entry {
  record: TaskRecord;
  assigned: boolean;
  /**
   * Present once the task has been understood, and kept as it is, as in Docker's worker: of a task that was assigned, a manager
   * changes what is wanted of it and where its service is published, never what its container is made from.
   */
  resolved?: ResolvedTask;
  /** Ends a preparation that is no longer wanted. */
  preparing?: AbortController;
  /** Since when the engine does not answer what is asked for this task (monotonic, milliseconds); absent while it does. */
  stuckSinceMs?: number;
  /** The container as this pass has seen it last, while nothing was done to it since: no need to ask the engine again. */
  known?: ContainerFacts;
}

/** Retry after the engine did not answer, or an operation was called off (spec swarmkit-worker §4.3). */
const RETRY_MS = 1000;
/**
 * A task that was to be started, and whose engine has not done it in this time, is given up: the manager starts another one. Several
 * times the engine's own limit for one call, since an engine under heavy load may need a second try.
 */
const STUCK_LIMIT_MS = 10 * 60_000;
/** Stops wait for their grace period in a pass, so passes must not be few; the engine calls are limited elsewhere. */
const MOST_PASSES = 10_000;
/** A pass makes at most the moves of a whole life; more would be a loop. */
const MOST_MOVES = 16;

export function createTasks(options: TasksOptions): Tasks {
  const { operations, store, outbox, clock, log } = options;
  const entries = new Map<string, Entry>();

  const reconciler = createReconciler({
    pass: (id) => pass(id),
    onError: (id, error) => {
      // An engine that is away is one event, told once by who watches it, not one per task and second.
      const away = error instanceof EngineUnreachable && !(error instanceof EngineStuck);
      if (away) log.debug({ task: id }, 'task waits for the engine');
      else log.warn({ task: id, error: errorChain(error) }, 'task will be tried again');
    },
    concurrency: MOST_PASSES,
    retryMs: RETRY_MS,
  });

  let closed = false;

  const pass = async (id: string): Promise<void> => {
    const entry = entries.get(id);
    if (!entry) return;
    try {
      await moveOn(id, entry);
    } catch (error) {
      if (error instanceof EngineStuck) holdUp(id, entry, error);
      throw error;
    }
    if (entries.get(id) === entry) goOn(id, entry);
  };

  const moveOn = async (id: string, entry: Entry): Promise<void> => {
    delete entry.known;
    for (let moves = 0; moves < MOST_MOVES; moves++) {
      if (closed) return;
      if (!entry.assigned) return dismiss(id, entry);
      if (!(await move(id, entry))) return;
    }
    throw new Error(`task ${id} did not come to rest after ${MOST_MOVES} moves`);
  };

  /** One observe, plan, apply, record. False when there is nothing more to do now. */
  const move = async (id: string, entry: Entry): Promise<boolean> => {
    const resolved = resolve(id, entry);
    if (!resolved) return false;
    const facts = await look(entry, resolved);
    if (closed || !entry.assigned) return true;
    const { task, status } = parts(entry.record); // the manager may have changed its mind during the look at the engine
    const step = nextStep({
      desired: task.desiredState,
      state: status.state,
      unhealthy: entry.record.unhealthy,
      inputsReady: options.inputsReady(task),
      container: facts.container,
      containerName: resolved.name,
    });
    if (step.kind !== 'report') delete entry.known; // any other move may change it
    return apply(id, entry, resolved, step, facts);
  };

  const look = async (entry: Entry, resolved: ResolvedTask): Promise<ContainerFacts> => {
    if (!needsContainer(entry.record)) return NO_CONTAINER;
    entry.known ??= await resolved.observe();
    return entry.known;
  };

  const apply = async (
    id: string,
    entry: Entry,
    resolved: ResolvedTask,
    step: Step,
    facts: ContainerFacts,
  ): Promise<boolean> => {
    switch (step.kind) {
      case 'none':
        return false;
      case 'report':
        setStatus(id, entry, step.state, { message: step.message }, facts);
        return true;
      case 'fail':
        fail(id, entry, step.err, facts);
        return true;
      case 'prepare': {
        const controller = new AbortController();
        entry.preparing = controller;
        const tell = (message: string) => {
          const { state } = parts(entry.record).status;
          if (!controller.signal.aborted) setStatus(id, entry, state, { message }, NO_CONTAINER);
        };
        try {
          entry.known = await resolved.prepare(controller.signal, tell);
        } catch (error) {
          if (controller.signal.aborted) return true; // wanted otherwise now: look again
          if (error instanceof EngineUnreachable) throw error;
          fail(id, entry, errorText(error), NO_CONTAINER);
          return true;
        } finally {
          delete entry.preparing;
        }
        setStatus(id, entry, TaskState.READY, { message: 'prepared' }, NO_CONTAINER);
        return true;
      }
      case 'start':
        try {
          await resolved.start(step.id);
        } catch (error) {
          if (error instanceof EngineUnreachable) throw error;
          fail(id, entry, startFailed(errorText(error)), await resolved.observe());
        }
        return true;
      case 'stop':
        if (step.because === 'unhealthy' && !entry.record.unhealthy) {
          entry.record = create(TaskRecordSchema, { ...entry.record, unhealthy: true });
          store.put(entry.record);
        }
        await resolved.stop(step.id);
        return true;
    }
  };

  /** Understands the task once; what cannot be understood is rejected (spec swarmkit-worker §4.4). */
  const resolve = (id: string, entry: Entry): ResolvedTask | undefined => {
    if (entry.resolved) return entry.resolved;
    const { task, status } = parts(entry.record);
    try {
      entry.resolved = operations.resolve(task);
      return entry.resolved;
    } catch (error) {
      if (error instanceof EngineUnreachable) throw error;
      if (status.state >= TaskState.COMPLETE) return undefined;
      const message = 'resolving controller failed';
      setStatus(id, entry, failureState(status.state), { message, err: errorText(error) }, NO_CONTAINER);
      return undefined;
    }
  };

  /** Says what the task waits for, in its status as it is; what was to be started is not waited for without end. */
  const holdUp = (id: string, entry: Entry, { message }: EngineStuck) => {
    const { task, status } = parts(entry.record);
    if (closed || !entry.assigned || status.state >= TaskState.COMPLETE) return;
    entry.stuckSinceMs ??= clock.monotonicMs();
    const late = clock.monotonicMs() - entry.stuckSinceMs >= STUCK_LIMIT_MS;
    const starting = status.state < TaskState.RUNNING && task.desiredState < TaskState.SHUTDOWN;
    if (late && starting) fail(id, entry, message, NO_CONTAINER);
    else if (status.err !== message) setStatus(id, entry, status.state, { err: message }, NO_CONTAINER);
  };

  /** Takes back what was said while the task was held up; an end keeps its error. */
  const goOn = (id: string, entry: Entry) => {
    delete entry.stuckSinceMs;
    const { status } = parts(entry.record);
    if (closed || !entry.assigned || status.state >= TaskState.COMPLETE || status.err === '') return;
    setStatus(id, entry, status.state, {}, NO_CONTAINER);
  };

  /** The manager has taken the task away: its container goes, and nothing is reported (spec swarmkit-worker §4.5). */
  const dismiss = async (id: string, entry: Entry): Promise<void> => {
    await resolve(id, entry)?.remove();
    if (entry.assigned) return reconciler.mark(id); // given back meanwhile
    entries.delete(id);
    reconciler.forget(id);
    store.remove(id);
    outbox.drop(id);
    options.onChange?.(id, undefined);
    log.info({ task: id }, 'task removed');
  };

  const fail = (id: string, entry: Entry, err: string, facts: ContainerFacts) => {
    setStatus(id, entry, failureState(parts(entry.record).status.state), { err }, facts);
  };

  const setStatus = (
    id: string,
    entry: Entry,
    state: TaskState,
    words: { readonly message?: string; readonly err?: string },
    facts: ContainerFacts,
  ) => {
    const { task, status: before } = parts(entry.record);
    const status = moved(before, state, words, facts, clock.now());
    entry.record = create(TaskRecordSchema, { task, status, unhealthy: entry.record.unhealthy });
    store.put(entry.record);
    outbox.put(id, status);
    options.onChange?.(id, entry.record);
    const fields = {
      task: id,
      service: task.serviceAnnotations?.name,
      state: TaskState[state],
      message: status.message,
    };
    const what = state === before.state ? 'task stays where it is' : 'task moved';
    if (words.err === undefined) log.info(fields, what);
    else log.warn({ ...fields, error: words.err }, what);
  };

  const update = (task: Task) => {
    const entry = entries.get(task.id);
    if (!entry) {
      const record = recordOf(task, firstStatus(task.status));
      entries.set(task.id, { record, assigned: true });
      store.put(record);
      options.onChange?.(task.id, record);
    } else {
      entry.assigned = true;
      const { task: known, status } = parts(entry.record);
      if (task.desiredState < known.desiredState) return; // never wanted less than before (spec §4.2)
      entry.record = recordOf(task, status, entry.record.unhealthy);
      store.put(entry.record);
      if (task.desiredState >= TaskState.SHUTDOWN) entry.preparing?.abort(new Error('the task is no longer wanted'));
    }
    reconciler.mark(task.id);
  };

  const remove = (id: string) => {
    const entry = entries.get(id);
    if (!entry) return;
    entry.assigned = false;
    entry.preparing?.abort(new Error('the task is no longer assigned'));
    reconciler.mark(id);
  };

  return {
    restore: (records) => {
      for (const record of records) {
        const id = record.task?.id ?? '';
        entries.set(id, { record, assigned: true });
        reconciler.mark(id);
      }
    },
    assign: (change) => {
      for (const task of change.update) update(task);
      for (const id of change.remove) remove(id);
      if (!change.complete) return;
      const listed = new Set(change.update.map((task) => task.id));
      for (const id of entries.keys()) if (!listed.has(id)) remove(id);
      for (const id of listed) reconciler.mark(id);
    },
    mark: (id) => {
      if (entries.has(id)) reconciler.mark(id);
    },
    markAll: () => {
      for (const id of entries.keys()) reconciler.mark(id);
    },
    get: (id) => entries.get(id)?.record,
    all: () => [...entries.values()].map((entry) => entry.record),
    reportAll: () => {
      for (const [id, entry] of entries) {
        const { status } = parts(entry.record);
        if (entry.assigned && status.state > TaskState.ASSIGNED) outbox.put(id, status);
      }
    },
    idle: reconciler.idle,
    close: async () => {
      closed = true;
      for (const entry of entries.values()) entry.preparing?.abort(new Error('netd is stopping'));
      await reconciler.stop();
    },
  };
}

/** A move that changes only our word needs no look at the engine. */
function needsContainer(record: TaskRecord): boolean {
  const { task, status } = parts(record);
  if (task.desiredState >= TaskState.SHUTDOWN) return true;
  const { state } = status;
  // READY too: the status that follows names the container.
  if (state === TaskState.READY) return task.desiredState > state;
  return state === TaskState.PREPARING || state === TaskState.STARTING || state === TaskState.RUNNING;
}

function recordOf(task: Task, status: TaskStatus, unhealthy = false): TaskRecord {
  const kept: Task = { ...task };
  delete kept.status; // ours is the last word, kept beside it
  return create(TaskRecordSchema, { task: kept, status, unhealthy });
}

function parts(record: TaskRecord): { readonly task: Task; readonly status: TaskStatus } {
  const { task, status } = record;
  if (!task || !status) throw new Error('a task record without task or status');
  return { task, status };
}
