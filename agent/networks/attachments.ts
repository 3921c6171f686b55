import type { Client } from '@grpc/grpc-js';
import type { ResolvedTask } from '#agent/tasks/operations.ts';
import type { ContainerFacts } from '#agent/tasks/status.ts';
import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { OverlayPlace } from '#netd/driver/overlay-driver.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { type Task, TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { createPlaceManagers } from './place-managers.ts';
import { createReturnedPlaces } from './returned-places.ts';

/**
 * Places on attachable networks for containers that are no tasks (spec swarmkit-worker §5.8). The manager makes a task of
 * each; its "container" is the endpoint, by whose id the manager knows it too. So nothing has to be remembered: whatever is
 * assigned and has no endpoint any more is given back.
 */
export interface Attachments {
  /**
   * Asks for a place, and waits for it.
   *
   * @throws NetdError that says what the managers have against it, or that they were too slow
   */
  readonly attach: (network: string, endpointId: string) => Promise<OverlayPlace>;
  /** The endpoint is gone. */
  readonly detach: (endpointId: string) => void;
  /** The moves of an attachment task; undefined for other tasks. */
  readonly resolve: (task: Task) => ResolvedTask | undefined;
  /** A session has begun, and ends with the signal: what was asked or given back in vain is asked and given back in it. */
  readonly setClient: (client: Client, signal: AbortSignal) => void;
  readonly close: () => Promise<void>;
}

export interface AttachmentsOptions {
  /** Address with prefix length of an endpoint that is on this host; undefined if it is not. */
  readonly addressOf: (endpointId: string) => string | undefined;
  /** Takes the container with that endpoint off the task's network. */
  readonly disconnect: (task: Task, endpointId: string) => Promise<void>;
  readonly tasks: () => readonly TaskRecord[];
  readonly mark: (taskId: string) => void;
  /** Resolves when the network can be used (see TaskNetworks). */
  readonly ready: (task: Task, tell: (what: string) => void, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** For the question and everything until the place has come (spec swarmkit-worker §5.8). */
const ATTACH_LIMIT_MS = 20_000;
const AGAIN = 'Start the container again; "netd status" says whether a manager answers.';

/** An endpoint the engine wants; its end, for better or worse, is told by the driver. */
interface Waiter {
  readonly give: (place: OverlayPlace) => void;
  /** The task whose place was given; the endpoint is being made. */
  givenOf?: string;
}

const GONE: ContainerFacts = {
  container: { kind: 'exited', id: '', exitCode: 0, error: '', checked: false },
  ports: [],
};
const CREATED: ContainerFacts = { container: { kind: 'created', id: '' }, ports: [] };
const RUNNING: ContainerFacts = { container: { kind: 'running', id: '', pid: 0, health: 'none' }, ports: [] };
const ABSENT: ContainerFacts = { container: { kind: 'absent' }, ports: [] };

export function createAttachments(options: AttachmentsOptions): Attachments {
  const { addressOf, clock, log } = options;
  const waiters = new Map<string, Waiter>();
  const managers = createPlaceManagers(clock);
  const returned = createReturnedPlaces(managers, log);

  const attach = async (network: string, endpointId: string): Promise<OverlayPlace> => {
    const given = Promise.withResolvers<OverlayPlace>();
    const waiter: Waiter = { give: given.resolve };
    waiters.set(endpointId, waiter);
    let trouble: unknown;
    const scope = new AbortController();
    const tooLong = clock.sleep(ATTACH_LIMIT_MS, scope.signal).then(() => {
      const seconds = ATTACH_LIMIT_MS / 1000;
      throw new NetdError('attach-timeout', `the managers gave no address on ${network} within ${seconds} s`, {
        mend: AGAIN,
        cause: trouble,
      });
    });
    tooLong.catch(() => {}); // aborted when the place comes first
    const onTrouble = (why: unknown) => {
      trouble = why;
      log.debug({ network, endpoint: endpointId, error: errorText(why) }, 'no address yet; asking on');
    };
    const asked = managers.ask({ network, endpointId }, onTrouble, scope.signal);
    try {
      // A question that broke off with its session may have its answer: the place comes then without another one.
      return await Promise.race([given.promise, asked.then(() => given.promise), tooLong]);
    } catch (error) {
      if (waiters.get(endpointId) === waiter) waiters.delete(endpointId);
      giveBackFor(endpointId);
      throw error;
    } finally {
      scope.abort(new Error('answered'));
    }
  };

  const giveBackFor = (endpointId: string) => {
    for (const { task } of options.tasks()) {
      if (task === undefined || endpointOf(task) !== endpointId) continue;
      returned.giveBack(task.id);
      options.mark(task.id);
    }
  };

  /** By the address too: an engine that asks again, because netd was started anew meanwhile, has two tasks for one endpoint. */
  const isTaken = (task: Task, endpointId: string): boolean => {
    const address = addressOf(endpointId);
    return address !== undefined && task.networks[0]?.addresses[0] === address;
  };

  /**
   * The managers may give the address to somebody else from now on, so the container must not have it any more. (Docker's own
   * nodes leave it there, and then two have it.)
   */
  const takeAway = async (task: Task, endpointId: string): Promise<void> => {
    if (!isTaken(task, endpointId)) return;
    log.warn({ task: task.id }, 'the managers have taken back the address of a container: it is taken off the network');
    await options.disconnect(task, endpointId);
    if (isTaken(task, endpointId)) throw new Error(`endpoint ${endpointId} still has the address of task ${task.id}`);
  };

  const observe = (task: Task, endpointId: string): ContainerFacts => {
    const waiter = waiters.get(endpointId);
    if (isTaken(task, endpointId)) {
      waiters.delete(endpointId);
      return RUNNING;
    }
    if (waiter !== undefined && waiter.givenOf === undefined) return CREATED;
    if (waiter?.givenOf === task.id) return RUNNING;
    returned.giveBack(task.id);
    return GONE;
  };

  const resolve = (task: Task): ResolvedTask | undefined => {
    const endpointId = endpointOf(task);
    if (endpointId === undefined) return undefined;
    let prepared = false;
    return {
      name: endpointId,
      observe: async () => {
        const facts = observe(task, endpointId);
        return facts === CREATED && !prepared ? ABSENT : facts;
      },
      prepare: async (signal, tell) => {
        await options.ready(task, tell, signal);
        prepared = true;
        return observe(task, endpointId);
      },
      start: async () => {
        const waiter = waiters.get(endpointId);
        if (isTaken(task, endpointId)) return;
        if (waiter === undefined) throw new Error('the container does not wait for its network any more');
        if (waiter.givenOf !== undefined && waiter.givenOf !== task.id) throw new Error('the container has a place');
        const place = placeOf(task);
        waiter.givenOf = task.id;
        waiter.give(place);
      },
      stop: () => takeAway(task, endpointId),
      remove: async () => {
        await takeAway(task, endpointId);
        returned.forget(task.id);
      },
    };
  };

  return {
    attach,
    detach: (endpointId) => {
      waiters.delete(endpointId);
      giveBackFor(endpointId);
    },
    resolve,
    setClient: (client, signal) => {
      managers.setSession(client, signal);
      returned.retell();
      for (const { task, status } of options.tasks()) {
        const endpointId = endpointOf(task);
        if (task === undefined || endpointId === undefined) continue;
        options.mark(task.id);
        // Its end is not looked at again, and the last session may have gone, or the last run, before it was given back.
        const isOver = (status?.state ?? TaskState.NEW) >= TaskState.COMPLETE;
        if (isOver && !isTaken(task, endpointId)) returned.giveBack(task.id);
      }
    },
    close: returned.close,
  };
}

/** The endpoint of an attachment task; undefined for a task that is none. */
export function endpointOf(task: Task | undefined): string | undefined {
  const runtime = task?.spec?.runtime;
  return runtime?.case === 'attachment' ? runtime.value.containerId : undefined;
}

function placeOf(task: Task): OverlayPlace {
  const [attachment] = task.networks;
  const [address] = attachment?.addresses ?? [];
  if (attachment?.network === undefined || address === undefined) {
    throw new NetdError('no-address', 'the managers gave this container no address: the network may have none left');
  }
  return { networkId: attachment.network.id, address, mac: undefined };
}
