import { clone, type DescField, type DescMessage, type Message } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { describe, expect, it } from 'vitest';
import { planContainer } from '#agent/container/container-plan.ts';
import { planPayload } from '#agent/payload/plan.ts';
import { payloadTargets } from '#agent/payload/targets.ts';
import { errorText } from '#base/errors.ts';
import {
  type Config,
  ConfigSchema,
  type Secret,
  SecretSchema,
  type Task,
  TaskSchema,
} from '#proto/gen/swarmkit/types_pb.js';
import { fullConfig, fullSecret, fullTask } from './full-task.ts';

/**
 * Fields that change nothing a worker does with a container, each with the reason. Every other field of a task, a secret
 * or a config must change what the engine is asked for: a field added to the protocol cannot be forgotten.
 */
const IGNORED: Readonly<Record<string, string>> = {
  'Task.meta': 'bookkeeping of the manager',
  'Task.status': "where the task is, not what it is: the agent's own record decides",
  'Task.desired_state': 'decides the next step, not the container',
  'Task.spec_version': 'bookkeeping of the manager',
  'Task.job_iteration': 'the manager makes new tasks for a new run',
  'Task.volumes': 'cluster volumes are refused by the mount that asks for one',
  'Annotations.indices': 'for searches at the manager',
  'TaskSpec.restart': 'the manager restarts, by new tasks',
  'TaskSpec.placement': 'the manager places',
  'TaskSpec.log_driver': 'Task.log_driver is the effective one',
  'TaskSpec.networks': 'Task.networks are the resolved ones',
  'TaskSpec.force_update': 'the manager makes new tasks for it',
  'TaskSpec.resource_references': 'tells the manager what to send along',
  'ResourceRequirements.reservations': 'for the scheduler only',
  'Resources.generic': 'Task.assigned_generic_resources are the ones given',
  'ContainerSpec.isolation': 'a Windows notion; dockerd on Linux ignores it too',
  'Mount.consistency': 'means nothing on Linux',
  'SecretReference.secret_name': 'the file has its own name',
  'ConfigReference.config_name': 'the file has its own name',
  'NetworkAttachment.aliases': 'names of the service on its overlays, not of the container',
  'Network.meta': 'bookkeeping of the manager',
  'Network.pending_delete': 'bookkeeping of the manager',
  'Network.extra': 'opaque',
  'NetworkSpec.driver_config': 'asked for; driver_state is what it became',
  'NetworkSpec.ipam': 'asked for; Network.ipam is what it became',
  'NetworkSpec.ingress': 'the routing mesh is an overlay, refused by its driver',
  'IPAMConfig.family': 'the subnet says it',
  'IPAMConfig.reserved': 'addresses the manager hands out itself',
  'Endpoint.spec': 'asked for; the ports are what it became',
  'Endpoint.virtual_ips': 'load balancing on overlays',
  'PortConfig.name': 'the engine has no place for it',
  'Secret.id': 'found by it',
  'Secret.meta': 'bookkeeping of the manager',
  'Secret.internal': 'seen by its id',
  'SecretSpec.annotations': 'the reference says the name',
  'SecretSpec.driver': 'executed by the manager',
  'Config.id': 'found by it',
  'Config.meta': 'bookkeeping of the manager',
  'ConfigSpec.annotations': 'the reference says the name',
};

interface Inputs {
  readonly task: Task;
  readonly secret: Secret;
  readonly config: Config;
}

const facts = {
  node: { id: 'node1', hostname: 'box', platform: { architecture: 'x86_64', os: 'linux' } },
  payloadDir: '/run/netd/tasks/task1',
};

/** All that comes out of a task, as one text. */
function outcome({ task, secret, config }: Inputs): string {
  try {
    const plan = planContainer(task, facts);
    const sources = {
      secret: (id: string) => (id === 'secret1' ? secret : undefined),
      config: (id: string) => (id === 'config1' ? config : undefined),
    };
    const files = planPayload(task.id, payloadTargets(plan.spec), sources, (payload) => payload.toReversed());
    const auth = plan.pull.kind === 'never' ? undefined : plan.pull.auth?.reveal();
    return JSON.stringify([{ ...plan, spec: undefined }, auth, files]);
  } catch (error) {
    return `refused: ${errorText(error)}`;
  }
}

const base: Inputs = { task: fullTask, secret: fullSecret, config: fullConfig };
const unchanged = outcome(base);

/** One way to reach a message inside the inputs, in a fresh copy of them. */
type Reach = () => { readonly inputs: Inputs; readonly message: ReflectMessage };

/** What changing a field did, the strongest of all the places it was changed at. */
type Effect = 'never changed' | 'changes nothing' | 'matters';
type Effects = Map<string, Effect>;

/** Changes each field of each message in turn. Returns whether any of them matters, for the field that holds it. */
function changeEach(reach: Reach, effects: Effects): boolean {
  const results = reach().message.fields.map(({ number }) => {
    const changed = CHANGES.flatMap((change) => {
      const { inputs, message } = reach();
      return change(message, fieldOf(message, number)) ? [outcome(inputs) !== unchanged] : [];
    });
    const { message } = reach();
    const field = fieldOf(message, number);
    const below = stepsInto(message, field).map((step) =>
      changeEach(() => {
        const { inputs, message: holder } = reach();
        return { inputs, message: step(holder) };
      }, effects),
    );
    const matters = [...changed, ...below].includes(true);
    record(effects, nameOf(field), matters ? 'matters' : changed.length > 0 ? 'changes nothing' : 'never changed');
    return matters;
  });
  return results.includes(true);
}

function record(effects: Effects, field: string, effect: Effect): void {
  const ranks: readonly Effect[] = ['never changed', 'changes nothing', 'matters'];
  const before = effects.get(field) ?? 'never changed';
  effects.set(field, ranks.indexOf(effect) > ranks.indexOf(before) ? effect : before);
}

/** The messages held by a field, but not what a field that is ignored holds. */
function stepsInto(message: ReflectMessage, field: DescField): ((from: ReflectMessage) => ReflectMessage)[] {
  if (IGNORED[nameOf(field)] !== undefined || !message.isSet(field)) return [];
  if (field.fieldKind === 'message') return isWrapper(field.message) ? [] : [(from) => from.get(field)];
  if (field.fieldKind !== 'list' || field.listKind !== 'message') return [];
  return [...message.get(field)].map((_, index) => (from) => {
    const item = from.get(field).get(index);
    if (!isReflectMessage(item)) throw new Error('not a message');
    return item;
  });
}

/** BoolValue and its kin: plain optional values in our types. */
function isWrapper(message: DescMessage): boolean {
  return message.typeName.startsWith('google.protobuf.') && message.typeName.endsWith('Value');
}

const CHANGES: readonly ((message: ReflectMessage, field: DescField) => boolean)[] = [clear, alter];

function clear(message: ReflectMessage, field: DescField): boolean {
  if (!message.isSet(field)) return false;
  message.clear(field);
  return true;
}

/** Another value of the field's own kind. */
function alter(message: ReflectMessage, field: DescField): boolean {
  if (field.fieldKind === 'enum') {
    const other = field.enum.values.find(({ number }) => number !== message.get(field));
    message.set(field, other?.number);
    return other !== undefined;
  }
  if (field.fieldKind === 'message' && !message.isSet(field)) {
    message.set(field, reflect(field.message));
    return true;
  }
  if (field.fieldKind !== 'scalar') return false;
  const value = message.get(field);
  message.set(field, otherScalar(value));
  return true;
}

function otherScalar(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      return `${value}9`;
    case 'boolean':
      return !value;
    case 'bigint':
      return value + 1n;
    case 'number':
      return value + 1;
    default:
      return value instanceof Uint8Array ? new Uint8Array([...value, 9]) : undefined;
  }
}

function fieldOf(message: ReflectMessage, number: number): DescField {
  const field = message.fields.find((candidate) => candidate.number === number);
  if (field === undefined) throw new Error(`no field ${number}`);
  return field;
}

function nameOf(field: DescField): string {
  return `${field.parent.typeName.replace('docker.swarmkit.v1.', '')}.${field.name}`;
}

function copy(): Inputs {
  return {
    task: clone(TaskSchema, base.task),
    secret: clone(SecretSchema, base.secret),
    config: clone(ConfigSchema, base.config),
  };
}

function roots(): readonly Reach[] {
  const root =
    <T extends Message>(desc: DescMessage, pick: (inputs: Inputs) => T): Reach =>
    () => {
      const inputs = copy();
      return { inputs, message: reflect(desc, pick(inputs)) };
    };
  return [
    root(TaskSchema, ({ task }) => task),
    root(SecretSchema, ({ secret }) => secret),
    root(ConfigSchema, ({ config }) => config),
  ];
}

describe('every field of a task, a secret and a config', () => {
  const effects: Effects = new Map();
  for (const reach of roots()) changeEach(reach, effects);
  const having = (effect: Effect) => [...effects].filter(([, found]) => found === effect).map(([field]) => field);

  it('is planned without a complaint to begin with', () => {
    expect(unchanged).not.toMatch(/^refused/);
  });

  it('is set in the sample, so that it can be changed', () => {
    expect(having('never changed')).toEqual([]);
  });

  it('changes what the engine is asked for, or is ignored for a reason', () => {
    expect(having('changes nothing').toSorted()).toEqual(Object.keys(IGNORED).toSorted());
  });
});
