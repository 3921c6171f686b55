import {
  AssignmentChange_AssignmentAction as Action,
  type AssignmentChange,
  type AssignmentsMessage,
  AssignmentsMessage_Type as Type,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import type { Config, Secret, Task, VolumeAssignment } from '#proto/gen/swarmkit/types_pb.js';

/** What the manager has assigned to this node beside tasks, and how its messages change it (spec swarmkit-worker §3.10). */
export interface Assignments {
  /** Takes one message. `gap`: it does not follow the last one, nothing was taken, a complete one must be asked for. */
  readonly take: (message: AssignmentsMessage) => TakenAssignments | 'gap';
  /** A new stream begins: its first message is complete and refers to nothing. */
  readonly restart: () => void;
  /** True once a complete message was taken in the life of this process: what is missing then will not come. */
  readonly synced: () => boolean;
  readonly secret: (id: string) => Secret | undefined;
  readonly config: (id: string) => Config | undefined;
}

export interface TakenAssignments {
  readonly complete: boolean;
  readonly updatedTasks: readonly Task[];
  readonly removedTasks: readonly string[];
  /** CSI volumes the manager wants unpublished; netd publishes none, so each can be confirmed at once. */
  readonly removedVolumes: readonly VolumeAssignment[];
}

export function createAssignments(): Assignments {
  const secrets = new Map<string, Secret>();
  const configs = new Map<string, Config>();
  /** What the next message has to refer to; undefined until a stream has begun with a complete one. */
  let reference: string | undefined;
  let synced = false;

  return {
    take: (message) => {
      const complete = message.type === Type.COMPLETE;
      if (!complete && message.appliesTo !== reference) return 'gap';
      reference = message.resultsIn;
      if (complete) {
        secrets.clear();
        configs.clear();
        synced = true;
      }
      // Removals first: an object may be taken away and given again in one message.
      const removed = pick(message.changes, Action.REMOVE);
      for (const { id } of removed.secrets) secrets.delete(id);
      for (const { id } of removed.configs) configs.delete(id);
      const updated = pick(message.changes, Action.UPDATE);
      for (const secret of updated.secrets) secrets.set(secret.id, secret);
      for (const config of updated.configs) configs.set(config.id, config);
      return {
        complete,
        updatedTasks: updated.tasks,
        removedTasks: removed.tasks.map((task) => task.id),
        removedVolumes: removed.volumes,
      };
    },
    restart: () => {
      reference = undefined;
    },
    synced: () => synced,
    secret: (id) => secrets.get(id),
    config: (id) => configs.get(id),
  };
}

interface Picked {
  readonly tasks: Task[];
  readonly secrets: Secret[];
  readonly configs: Config[];
  readonly volumes: VolumeAssignment[];
}

/** The items of one action by kind. Changes without an item, of an unknown kind or action, are from a newer manager. */
function pick(changes: readonly AssignmentChange[], action: Action): Picked {
  const picked: Picked = { tasks: [], secrets: [], configs: [], volumes: [] };
  for (const change of changes) {
    if (change.action !== action) continue;
    const item = change.assignment?.item;
    if (item?.case === undefined || item.value.id === '') continue;
    switch (item.case) {
      case 'task':
        picked.tasks.push(item.value);
        break;
      case 'secret':
        picked.secrets.push(item.value);
        break;
      case 'config':
        picked.configs.push(item.value);
        break;
      case 'volume':
        picked.volumes.push(item.value);
        break;
    }
  }
  return picked;
}
