import type { Client } from '@grpc/grpc-js';
import type { ResolvedTask } from '#agent/tasks/operations.ts';
import type { ContainerFacts } from '#agent/tasks/status.ts';
import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { OverlayPlace } from '#netd/driver/overlay-driver.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { ResourceAllocator } from '#proto/gen/swarmkit/resource_pb.js';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import { callUnary } from '#proto/grpc.ts';

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
  /** The connection of the session; undefined when it has ended. */
  readonly setClient: (client: Client | undefined) => void;
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
/** Between the answer with the place and the endpoint there are microseconds. */
const TAKE_LIMIT_MS = 10_000;
const AGAIN = 'Start the container again; "netd status" says whether a manager answers.';

interface Waiter {
  readonly give: (place: OverlayPlace) => void;
  /** The place was given at this moment; the endpoint is being made. */
  givenMs?: number;
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
  /** Ids of tasks that have been given back, or are just being. */
  const returned = new Set<string>();
  let client: Client | undefined;

  const attach = async (network: string, endpointId: string): Promise<OverlayPlace> => {
    if (client === undefined) {
      throw new NetdError('no-session', 'no manager can be asked for an address now: this node has no session', {
        mend: 'See "netd status".',
      });
    }
    const given = Promise.withResolvers<OverlayPlace>();
    waiters.set(endpointId, { give: given.resolve });
    const scope = new AbortController();
    const tooLong = clock.sleep(ATTACH_LIMIT_MS, scope.signal).then(() => {
      throw new NetdError(
        'attach-timeout',
        `the managers gave no address on ${network} within ${ATTACH_LIMIT_MS / 1000} s`,
        { mend: AGAIN },
      );
    });
    tooLong.catch(() => {}); // aborted when the place comes first
    try {
      const asked = callUnary(
        client,
        ResourceAllocator.method.attachNetwork,
        { config: { target: network }, containerId: endpointId },
        { timeoutMs: ATTACH_LIMIT_MS, signal: scope.signal },
      );
      await Promise.race([asked, tooLong]);
      return await Promise.race([given.promise, tooLong]);
    } catch (error) {
      waiters.delete(endpointId);
      giveBackFor(endpointId);
      throw error instanceof NetdError ? error : refusedBy(error, network);
    } finally {
      scope.abort(new Error('answered'));
    }
  };

  const giveBackFor = (endpointId: string) => {
    for (const { task } of options.tasks()) {
      if (task === undefined || endpointOf(task) !== endpointId) continue;
      giveBack(task.id);
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

  /** Tried again by the next look at the task, as long as it is assigned. */
  const giveBack = (attachmentId: string) => {
    if (client === undefined || returned.has(attachmentId)) return;
    returned.add(attachmentId);
    callUnary(client, ResourceAllocator.method.detachNetwork, { attachmentId }, { timeoutMs: ATTACH_LIMIT_MS }).catch(
      (error: unknown) => {
        returned.delete(attachmentId);
        log.debug({ task: attachmentId, error: errorText(error) }, 'an address could not be given back yet');
      },
    );
  };

  const observe = (task: Task, endpointId: string): ContainerFacts => {
    const waiter = waiters.get(endpointId);
    if (isTaken(task, endpointId)) {
      waiters.delete(endpointId);
      return RUNNING;
    }
    if (waiter === undefined) {
      giveBack(task.id);
      return GONE;
    }
    if (waiter.givenMs === undefined) return CREATED;
    if (clock.monotonicMs() - waiter.givenMs < TAKE_LIMIT_MS) return RUNNING;
    waiters.delete(endpointId);
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
        waiter.givenMs ??= clock.monotonicMs();
        waiter.give(placeOf(task));
      },
      stop: () => takeAway(task, endpointId),
      remove: async () => {
        await takeAway(task, endpointId);
        returned.delete(task.id);
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
    setClient: (next) => {
      client = next;
      returned.clear(); // whether the last session got it through, nobody knows
    },
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

/** gRPC status codes (spec swarmkit-worker §5.8). */
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;

function refusedBy(error: unknown, network: string): NetdError {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (code === NOT_FOUND) {
    return new NetdError('no-such-network', `the swarm has no network ${network}`, {
      mend: `Make it on a manager: docker network create -d overlay --attachable ${network}`,
      cause: error,
    });
  }
  if (code === PERMISSION_DENIED) {
    return new NetdError('not-attachable', `network ${network} is not attachable: only services can use it`, {
      mend: 'Make it with --attachable on a manager.',
    });
  }
  return new NetdError('attach-failed', `the managers gave no address on ${network}`, { mend: AGAIN, cause: error });
}
