import { create, equals } from '@bufbuild/protobuf';
import {
  AssignmentChange_AssignmentAction as Action,
  type AssignmentChange,
  AssignmentChangeSchema,
  type AssignmentsMessage,
  AssignmentsMessageSchema,
  AssignmentsMessage_Type as Type,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import { type Task, TaskSchema, TaskState, type VolumeAssignment } from '#proto/gen/swarmkit/types_pb.js';
import type { FakeSwarm } from './swarm.ts';

type Item = NonNullable<NonNullable<AssignmentChange['assignment']>['item']>;

/** What one Assignments stream has told its worker, and what it has to say next (spec swarmkit-worker §3.10). */
export class AssignmentSet {
  readonly #swarm: FakeSwarm;
  readonly #nodeId: string;
  readonly #tasks = new Map<string, Task>();
  readonly #secrets = new Set<string>();
  readonly #configs = new Set<string>();
  #volumes: readonly VolumeAssignment[] = [];
  #results = 0;

  constructor(swarm: FakeSwarm, nodeId: string) {
    this.#swarm = swarm;
    this.#nodeId = nodeId;
  }

  complete(): AssignmentsMessage {
    return this.#message(Type.COMPLETE, this.#changes());
  }

  /** Undefined while there is nothing the worker has to know. */
  incremental(): AssignmentsMessage | undefined {
    const changes = this.#changes();
    return changes.length === 0 ? undefined : this.#message(Type.INCREMENTAL, changes);
  }

  #message(type: Type, changes: AssignmentChange[]): AssignmentsMessage {
    const appliesTo = this.#results === 0 ? '' : String(this.#results);
    this.#results += 1;
    return create(AssignmentsMessageSchema, { type, appliesTo, resultsIn: String(this.#results), changes });
  }

  #changes(): AssignmentChange[] {
    const tasks = [...this.#swarm.tasks.values()].filter(
      (task) => task.nodeId === this.#nodeId && stateOf(task) >= 192,
    );
    const users = tasks.filter((task) => stateOf(task) <= TaskState.RUNNING);
    return [
      ...this.#dependencies(this.#secrets, this.#swarm.secrets, users, secretIdsOf, (value) => ({
        case: 'secret',
        value,
      })),
      ...this.#dependencies(this.#configs, this.#swarm.configs, users, configIdsOf, (value) => ({
        case: 'config',
        value,
      })),
      ...this.#taskChanges(tasks),
      ...this.#volumeChanges(),
    ];
  }

  #taskChanges(tasks: readonly Task[]): AssignmentChange[] {
    const changes: AssignmentChange[] = [];
    const now = new Set(tasks.map((task) => task.id));
    for (const id of this.#tasks.keys()) {
      if (now.has(id)) continue;
      this.#tasks.delete(id);
      changes.push(change(Action.REMOVE, { case: 'task', value: create(TaskSchema, { id }) }));
    }
    for (const task of tasks) {
      const known = this.#tasks.get(task.id);
      this.#tasks.set(task.id, task);
      // Echoes of what the worker itself has said are not sent, but while it has said nothing they are.
      const echo =
        known !== undefined && sameTask(known, task) && (known === task || stateOf(task) > TaskState.ASSIGNED);
      if (!echo) changes.push(change(Action.UPDATE, { case: 'task', value: task }));
    }
    return changes;
  }

  #dependencies<T extends { id: string }>(
    known: Set<string>,
    store: ReadonlyMap<string, T>,
    users: readonly Task[],
    idsOf: (task: Task) => readonly string[],
    item: (value: T) => Item,
  ): AssignmentChange[] {
    const changes: AssignmentChange[] = [];
    const wanted = new Set(users.flatMap(idsOf).filter((id) => store.has(id)));
    for (const id of known) {
      if (wanted.has(id)) continue;
      known.delete(id);
      changes.push(change(Action.REMOVE, item({ id } as T)));
    }
    for (const id of wanted) {
      const value = store.get(id);
      if (known.has(id) || !value) continue;
      known.add(id);
      changes.push(change(Action.UPDATE, item(value)));
    }
    return changes;
  }

  #volumeChanges(): AssignmentChange[] {
    const now = this.#swarm.volumes.get(this.#nodeId) ?? [];
    const before = this.#volumes;
    this.#volumes = now;
    const gone = before.filter(({ id }) => !now.some((volume) => volume.id === id));
    const come = now.filter(({ id }) => !before.some((volume) => volume.id === id));
    return [
      ...gone.map((value) => change(Action.REMOVE, { case: 'volume', value })),
      ...come.map((value) => change(Action.UPDATE, { case: 'volume', value })),
    ];
  }
}

export function change(action: Action, item: Item): AssignmentChange {
  return create(AssignmentChangeSchema, { action, assignment: { item } });
}

function stateOf(task: Task): TaskState {
  return task.status?.state ?? TaskState.NEW;
}

function sameTask(a: Task, b: Task): boolean {
  return equals(TaskSchema, bare(a), bare(b));
}

function bare(task: Task): Task {
  const rest: Task = { ...task };
  delete rest.status;
  delete rest.meta;
  return rest;
}

function secretIdsOf({ spec }: Task): readonly string[] {
  return spec?.runtime.case === 'container' ? spec.runtime.value.secrets.map((reference) => reference.secretId) : [];
}

function configIdsOf({ spec }: Task): readonly string[] {
  return spec?.runtime.case === 'container' ? spec.runtime.value.configs.map((reference) => reference.configId) : [];
}
