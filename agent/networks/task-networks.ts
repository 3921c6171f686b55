import { specExpander } from '#agent/container/spec-expander.ts';
import type { NodeFacts } from '#agent/container/template-facts.ts';
import type { DataPath } from '#agent/node/data-path.ts';
import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createNotifier } from '#base/notifier.ts';
import type { DesiredNetworks } from '#netd/desired.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { type Node, type Task, TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { isIngress, isOverlay } from './desired-network.ts';
import { type AttachedContainer, desiredNetworks, loadBalancerAddresses } from './desired-networks.ts';
import type { EngineDns } from './engine-dns.ts';
import { type NetworkLack, passGate } from './network-gate.ts';

/** The overlay networks of this node's tasks: told to `netd/` as one wish, and waited for where a task needs them. */
export interface TaskNetworks {
  /** Something the wish follows from may be new: a task, the node object, the data path. */
  readonly mark: () => void;
  /**
   * Resolves when every overlay network of the task can be used.
   *
   * @param tell told what is waited for
   * @throws SpecError when one cannot be used, or not in time
   */
  readonly ready: (task: Task, tell: (what: string) => void, signal: AbortSignal) => Promise<void>;
  /** Takes the task out of service and gives the others the time to notice. Nothing for a task nobody could reach. */
  readonly drain: (taskId: string) => Promise<void>;
  /** Names of a container that is not a task's, found on the engine; undefined: it is gone. */
  readonly nameContainer: (taskId: string, container: AttachedContainer | undefined) => void;
  /** What was last wished, if anything. */
  readonly desired: () => DesiredNetworks | undefined;
}

export interface TaskNetworksOptions {
  readonly setDesired: (desired: DesiredNetworks) => void;
  /** Called when a network is no longer among the wished ones. */
  readonly onNetworkEnd: () => void;
  /** Why a network that is wished cannot be used now; undefined if it can. */
  readonly problem: (networkId: string) => string | undefined;
  readonly node: () => Node | undefined;
  readonly tasks: () => readonly TaskRecord[];
  readonly dataPath: () => DataPath | NetdError | undefined;
  readonly nodeFacts: () => NodeFacts;
  readonly engineDns: () => EngineDns;
  readonly clock: Clock;
  readonly log: Logger;
}

/** As long as gossip takes to tell everybody, and as Docker waits (spec dataplane §4.7). */
export const DRAIN_MS = 2000;

const NO_ADDRESS = 'node is missing network attachments, ip addresses may be exhausted';

export function createTaskNetworks(options: TaskNetworksOptions): TaskNetworks {
  const { clock, log } = options;
  const changes = createNotifier();
  const drainedAtMs = new Map<string, number>();
  const containers = new Map<string, AttachedContainer>();
  const hostnames = new Map<string, string | undefined>();
  let turn: NodeJS.Immediate | undefined;
  let desired: DesiredNetworks | undefined;
  let refused: ReadonlyMap<string, string> = new Map();

  const mark = () => {
    turn ??= setImmediate(wish);
  };

  const wish = () => {
    clearImmediate(turn);
    turn = undefined;
    const node = options.node();
    const dataPath = options.dataPath();
    // Before both are known nothing is wished, and what an earlier run has left stays as it is.
    if (node !== undefined && dataPath !== undefined && !(dataPath instanceof NetdError)) {
      const tasks = options.tasks();
      forgetOthers(tasks);
      const { address: vtep, port: dataPathPort } = dataPath;
      const draining = new Set(drainedAtMs.keys());
      const engineDns = options.engineDns();
      const wanted = desiredNetworks({ node, tasks, draining, containers, engineDns, hostnameOf, vtep, dataPathPort });
      const before = desired;
      ({ desired, refused } = wanted);
      options.setDesired(desired);
      const kept = new Set(desired.networks.map(({ id }) => id));
      if (before === undefined || before.networks.some(({ id }) => !kept.has(id))) options.onNetworkEnd();
    }
    changes.notify();
  };

  const forgetOthers = (tasks: readonly TaskRecord[]) => {
    const alive = new Set(
      tasks.filter(({ status }) => (status?.state ?? 0) <= TaskState.RUNNING).map(({ task }) => task?.id),
    );
    for (const known of [drainedAtMs, containers, hostnames]) {
      for (const id of known.keys()) if (!alive.has(id)) known.delete(id);
    }
  };

  const hostnameOf = (task: Task): string | undefined => {
    const runtime = task.spec?.runtime;
    if (runtime?.case !== 'container' || runtime.value.hostname === '') return undefined;
    if (hostnames.has(task.id)) return hostnames.get(task.id);
    try {
      const hostname = specExpander(task, options.nodeFacts())(runtime.value.hostname);
      hostnames.set(task.id, hostname);
      return hostname;
    } catch (error) {
      log.debug({ task: task.id, error: errorText(error) }, 'host name not known yet');
      return undefined;
    }
  };

  const lackOf = (task: Task): NetworkLack => {
    const overlays = task.networks.flatMap(({ network }) =>
      isOverlay(network) && !isIngress(network) ? [network] : [],
    );
    if (overlays.length === 0) return { kind: 'none' };
    const dataPath = options.dataPath();
    if (dataPath instanceof NetdError) {
      return {
        kind: 'waiting',
        what: dataPath.message,
        tooLong: `overlay networks cannot be used: ${dataPath.message}`,
      };
    }
    const node = options.node();
    if (dataPath === undefined || node === undefined) {
      const what = 'waiting for the managers to let this node into the network of the swarm';
      return { kind: 'waiting', what, tooLong: `overlay networks cannot be used: ${what}` };
    }
    const addresses = loadBalancerAddresses(node);
    for (const network of overlays) {
      const name = network.spec?.annotations?.name ?? network.id;
      const why = refused.get(network.id);
      if (why !== undefined) return { kind: 'refused', why: `network ${name} cannot be used: ${why}` };
      if (!addresses.has(network.id)) {
        return { kind: 'waiting', what: `waiting for an address of this node on network ${name}`, tooLong: NO_ADDRESS };
      }
      const isWished = desired?.networks.some(({ id }) => id === network.id) === true;
      const problem = isWished ? options.problem(network.id) : 'it is being set up';
      if (problem !== undefined) {
        const what = `waiting for network ${name}: ${problem}`;
        return { kind: 'waiting', what, tooLong: `network ${name} cannot be used: ${problem}` };
      }
    }
    return { kind: 'none' };
  };

  return {
    mark,
    ready: (task, tell, signal) => passGate({ lack: () => lackOf(task), tell, changes, clock, signal }),
    drain: async (taskId) => {
      const bound =
        desired?.attachments.some((one) => one.taskId === taskId && one.binding.state !== 'pending') === true;
      if (!bound) return;
      let sinceMs = drainedAtMs.get(taskId);
      if (sinceMs === undefined) {
        sinceMs = clock.monotonicMs();
        drainedAtMs.set(taskId, sinceMs);
        wish(); // at once: the time others need begins now
      }
      await clock.sleep(Math.max(0, sinceMs + DRAIN_MS - clock.monotonicMs()));
    },
    nameContainer: (taskId, container) => {
      if (container === undefined) containers.delete(taskId);
      else containers.set(taskId, container);
      mark();
    },
    desired: () => desired,
  };
}
