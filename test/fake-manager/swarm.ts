import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { newSwarmId } from '#base/ids.ts';
import {
  type Config,
  ConfigSchema,
  type EncryptionKey,
  type Node,
  NodeSchema,
  NodeStatus_State,
  NodeStatusSchema,
  type Secret,
  SecretSchema,
  type Task,
  TaskSchema,
  TaskState,
  type VolumeAssignment,
} from '#proto/gen/swarmkit/types_pb.js';

type TaskInit = Exclude<MessageInitShape<typeof TaskSchema>, Task>;

export interface ListedManager {
  readonly nodeId: string;
  readonly addr: string;
}

/** What the managers of a swarm agree on: the objects a worker gets to see. Tests are its operator and its scheduler. */
export class FakeSwarm {
  readonly nodes = new Map<string, Node>();
  /** Nodes the operator removed by force: their certificates are refused. */
  readonly removed = new Set<string>();
  readonly tasks = new Map<string, Task>();
  readonly secrets = new Map<string, Secret>();
  readonly configs = new Map<string, Config>();
  /** CSI volumes published to a node, by node id. */
  readonly volumes = new Map<string, readonly VolumeAssignment[]>();
  /** Every state the swarm has taken from a worker, in order, by task id. */
  readonly told = new Map<string, TaskState[]>();
  managers: readonly ListedManager[] = [];
  keys: readonly EncryptionKey[] = [];
  rootBundle: Uint8Array = new Uint8Array();
  readonly #listeners = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Call after changing anything: every stream looks again. */
  changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  addNode(id: string = newSwarmId()): Node {
    const node = create(NodeSchema, { id, spec: {}, status: { state: NodeStatus_State.UNKNOWN } });
    this.nodes.set(id, node);
    this.changed();
    return node;
  }

  /** `docker node rm --force` */
  removeNode(id: string): void {
    this.nodes.delete(id);
    this.removed.add(id);
    this.changed();
  }

  setNodeStatus(id: string, state: NodeStatus_State, message: string, addr?: string): void {
    const node = this.nodes.get(id);
    if (!node) return;
    const kept = addr ?? node.status?.addr ?? '';
    this.nodes.set(id, { ...node, status: create(NodeStatusSchema, { state, message, addr: kept }) });
    this.changed();
  }

  /** As the scheduler leaves it: ASSIGNED, to run. */
  addTask(nodeId: string, init: TaskInit = {}): Task {
    const task = create(TaskSchema, {
      id: newSwarmId(),
      nodeId,
      desiredState: TaskState.RUNNING,
      status: { state: TaskState.ASSIGNED, message: 'scheduler assigned task to node' },
      spec: { runtime: { case: 'container', value: { image: 'image' } } },
      ...init,
    });
    this.tasks.set(task.id, task);
    this.changed();
    return task;
  }

  setDesired(taskId: string, desiredState: TaskState): void {
    this.#replaceTask(taskId, { desiredState });
  }

  setTaskStatus(taskId: string, status: Task['status']): void {
    if (status) this.#replaceTask(taskId, { status });
  }

  removeTask(taskId: string): void {
    this.tasks.delete(taskId);
    this.changed();
  }

  addSecret(data: Uint8Array, id: string = newSwarmId()): Secret {
    const secret = create(SecretSchema, { id, spec: { data } });
    this.secrets.set(id, secret);
    this.changed();
    return secret;
  }

  addConfig(data: Uint8Array, id: string = newSwarmId()): Config {
    const config = create(ConfigSchema, { id, spec: { data } });
    this.configs.set(id, config);
    this.changed();
    return config;
  }

  taskState(taskId: string): TaskState | undefined {
    return this.tasks.get(taskId)?.status?.state;
  }

  #replaceTask(taskId: string, change: Partial<Task>): void {
    const task = this.tasks.get(taskId);
    if (!task) throw new Error(`no task ${taskId}`);
    this.tasks.set(taskId, { ...task, ...change });
    this.changed();
  }
}
