import { CallError } from './error.ts';
import { type Functions, stringFunction, type TemplateFunction } from './functions.ts';
import { fromBytes, fromText, toText } from './go-string.ts';
import { type StructValue, stringValue, type Value } from './value.ts';

/** Name of Docker's templates in error messages. */
export const TEMPLATE_NAME = 'expansion';

/** What a task's templates can read. */
export interface TemplateFacts {
  readonly service: { readonly id: string; readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly node: {
    readonly id: string;
    /** As reported to the manager. */
    readonly hostname: string;
    readonly platform: { readonly architecture: string; readonly os: string };
  };
  readonly task: {
    readonly id: string;
    /** The container's name. */
    readonly name: string;
    /** 0 for the tasks of a global service, which have none. */
    readonly slot: number | bigint;
  };
}

/** The dot and the functions of one kind of template. */
export interface TemplateContext {
  readonly data: Value;
  readonly functions: Functions;
}

/** What the functions of a payload read. */
export interface PayloadLookups {
  /**
   * Data, untemplated, of the secret (or config) that the task references with this file name; undefined if it
   * references none. May throw if there is one that cannot be had: the template fails with the error's message.
   */
  readonly secret: (target: string) => Uint8Array | undefined;
  readonly config: (target: string) => Uint8Array | undefined;
  /** Value from the task's environment, already expanded; undefined if there is none. */
  readonly env: (name: string) => string | undefined;
}

/** Docker's `join SEPARATOR a b …`. Without any argument Go's own run-time error is the answer. */
const JOIN: TemplateFunction = stringFunction(undefined, (separator, ...parts) => {
  if (separator === undefined) throw new CallError('runtime error: slice bounds out of range [1:0]');
  return parts.join(separator);
});

/** Environment, hostname and mounts of a task (spec swarmkit-worker §4.14). */
export function specContext(facts: TemplateFacts): TemplateContext {
  return {
    data: contextStruct('template.Context', facts, facts.node.hostname, facts.node.platform),
    functions: new Map([['join', JOIN]]),
  };
}

/**
 * Configs and secrets of a task. Docker leaves the node's host name and platform empty in these, and so do we, or a
 * config would differ between nodes that run one service.
 */
export function payloadContext(facts: TemplateFacts, lookups: PayloadLookups): TemplateContext {
  return {
    data: contextStruct('template.PayloadContext', facts, '', { architecture: '', os: '' }),
    functions: new Map([
      ['join', JOIN],
      ['secret', payloadFunction('secret', lookups.secret)],
      ['config', payloadFunction('config', lookups.config)],
      ['env', stringFunction(1, (name = '') => fromText(lookups.env(toText(name)) ?? ''))],
    ]),
  };
}

function payloadFunction(kind: string, lookup: (target: string) => Uint8Array | undefined): TemplateFunction {
  return stringFunction(1, (target = '') => {
    const data = lookup(toText(target));
    if (data === undefined) throw new CallError(`${kind} target ${toText(target)} not found`);
    return fromBytes(data);
  });
}

/** The types are those of Docker's context, which a misspelt field shows to people. */
function contextStruct(
  type: string,
  { service, node, task }: TemplateFacts,
  hostname: string,
  platform: TemplateFacts['node']['platform'],
): Value {
  const labels = Object.entries(service.labels).map(([key, value]) => [fromText(key), fromText(value)] as const);
  const slot = BigInt(task.slot) === 0n ? node.id : String(task.slot);
  return {
    ...struct(type, {
      Service: struct('struct { ID string; Name string; Labels map[string]string }', {
        ID: text(service.id),
        Name: text(service.name),
        Labels: { kind: 'map', entries: new Map(labels) },
      }),
      Node: struct('struct { ID string; Hostname string; Platform template.Platform }', {
        ID: text(node.id),
        Hostname: text(hostname),
        Platform: struct('template.Platform', { Architecture: text(platform.architecture), OS: text(platform.os) }),
      }),
      Task: struct('struct { ID string; Name string; Slot string }', {
        ID: text(task.id),
        Name: text(task.name),
        Slot: text(slot),
      }),
    }),
    pointer: true,
  };
}

function struct(type: string, fields: Readonly<Record<string, Value>>): StructValue {
  return { kind: 'struct', type, pointer: false, fields: new Map(Object.entries(fields)) };
}

function text(value: string): Value {
  return stringValue(fromText(value));
}
