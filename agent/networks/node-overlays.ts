import type { Client } from '@grpc/grpc-js';
import type { NodeFacts } from '#agent/container/template-facts.ts';
import type { Engine } from '#agent/engine/engine.ts';
import type { DataPath } from '#agent/node/data-path.ts';
import type { Overlays } from '#agent/tasks/engine-operations.ts';
import type { TaskOperations } from '#agent/tasks/operations.ts';
import type { Clock } from '#base/clock.ts';
import { errorText, type NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createReconciler } from '#base/reconciler.ts';
import type { OverlayPlace } from '#netd/driver/overlay-driver.ts';
import type { NodeNetwork } from '#netd/node-network.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { type Node, TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { createAttachedContainers, disconnectContainer } from './attached-containers.ts';
import { createAttachments, endpointOf } from './attachments.ts';
import { readEngineDns } from './engine-dns.ts';
import { createTaskNetworks } from './task-networks.ts';
import { removeUnusedNetworks } from './unused-networks.ts';

/** The overlay networks of a joined node: of its tasks, and of containers that ask for a place. */
export interface NodeOverlays {
  /** What the moves of ordinary tasks need. */
  readonly forTasks: Overlays;
  /** The moves of all tasks: those of attachments are made here, others by the operations given. */
  readonly operations: (ordinary: TaskOperations) => TaskOperations;
  readonly taskChanged: (taskId: string, record: TaskRecord | undefined) => void;
  /** The node object or the data path may be new. */
  readonly mark: () => void;
  readonly setClient: (client: Client, signal: AbortSignal) => void;
  readonly attach: (network: string, endpointId: string) => Promise<OverlayPlace>;
  readonly detach: (endpointId: string) => void;
  /** The node leaves its swarm: nothing is wished any more, and what the engine has of it goes. */
  readonly clear: () => Promise<void>;
  /** Looks for engine networks nobody wants any more, and at other networks of containers: on a slow timer. */
  readonly tidy: () => void;
  /** The container was put on a network of the engine, or taken off one: an engine tells its drivers of their own only. */
  readonly containerMoved: (containerId: string) => void;
  readonly close: () => Promise<void>;
}

export interface NodeOverlaysOptions {
  readonly engine: Engine;
  readonly network: NodeNetwork;
  readonly node: () => Node | undefined;
  readonly tasks: () => readonly TaskRecord[];
  readonly markTask: (taskId: string) => void;
  readonly dataPath: () => DataPath | NetdError | undefined;
  readonly nodeFacts: () => NodeFacts;
  readonly clock: Clock;
  readonly log: Logger;
}

const ALL = 'engine networks';
/** A task that has ended is told a moment before the engine has let go of its container. */
const CLEAN_DELAY_MS = 500;
const CLEAN_RETRY_MS = 5000;

export function createNodeOverlays(options: NodeOverlaysOptions): NodeOverlays {
  const { engine, network, tasks, markTask, clock, log } = options;
  const wantedIds = () => new Set(networks.desired()?.networks.map(({ id }) => id));
  // The one key stands for all: which of them have to go is found by looking.
  const cleaning = createReconciler({
    pass: async () => {
      if (networks.desired() !== undefined) await removeUnusedNetworks(engine, wantedIds, 'stopped containers', log);
    },
    onError: (_, error) => log.debug({ error: errorText(error) }, 'unused networks could not be removed'),
    concurrency: 1,
    retryMs: CLEAN_RETRY_MS,
  });
  const networks = createTaskNetworks({
    ...options,
    setDesired: network.setDesired,
    problem: network.problem,
    engineDns: readEngineDns,
    onNetworkEnd: () => cleaning.mark(ALL, CLEAN_DELAY_MS),
  });
  const attachments = createAttachments({
    addressOf: (id) => network.endpoints().find(({ endpointId }) => endpointId === id)?.address,
    disconnect: (task, endpointId) => disconnectContainer(engine, task, endpointId),
    tasks,
    mark: markTask,
    ready: networks.ready,
    clock,
    log,
  });
  const containers = createAttachedContainers(engine, networks.nameContainer, log);

  return {
    forTasks: networks,
    operations: (ordinary) => ({ resolve: (task) => attachments.resolve(task) ?? ordinary.resolve(task) }),
    taskChanged: (taskId, record) => {
      networks.mark();
      const endpointId = endpointOf(record?.task);
      const runs = record?.status?.state === TaskState.RUNNING;
      if (record?.task !== undefined && endpointId !== undefined && runs) containers.find(record.task, endpointId);
      else containers.forget(taskId);
    },
    mark: networks.mark,
    setClient: attachments.setClient,
    attach: attachments.attach,
    detach: attachments.detach,
    clear: async () => {
      const desired = networks.desired();
      if (desired !== undefined) network.setDesired({ ...desired, networks: [], attachments: [] });
      await removeUnusedNetworks(engine, () => new Set(), 'nobody', log);
    },
    containerMoved: containers.look,
    tidy: () => {
      cleaning.mark(ALL);
      containers.look();
    },
    close: async () => {
      await cleaning.stop();
      await attachments.close();
      await containers.close();
    },
  };
}
