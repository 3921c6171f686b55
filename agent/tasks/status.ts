import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type PortConfig,
  TaskState as State,
  type TaskState,
  type TaskStatus,
  TaskStatusSchema,
} from '#proto/gen/swarmkit/types_pb.js';
import type { ObservedContainer } from './observed.ts';

/** What a status says of the container, from STARTING upward. */
export interface ContainerFacts {
  readonly container: ObservedContainer;
  /** Host-mode ports the engine has bound. */
  readonly ports: readonly PortConfig[];
}

/** A status for a task that has none: the manager's copy if there is one, else NEW. */
export function firstStatus(managerCopy: TaskStatus | undefined): TaskStatus {
  return managerCopy ?? create(TaskStatusSchema, {});
}

/**
 * The status after a move (spec swarmkit-worker §2.15, §4.3). Success clears the error; a failure keeps the message and
 * sets it. Container and ports are told from STARTING upward; when nothing is known of them now, the last word stays.
 */
export function moved(
  before: TaskStatus,
  state: TaskState,
  words: { readonly message?: string; readonly err?: string },
  facts: ContainerFacts | undefined,
  nowMs: number,
): TaskStatus {
  const told = state >= State.STARTING && facts !== undefined ? containerWords(facts) : {};
  return create(TaskStatusSchema, {
    runtimeStatus: before.runtimeStatus,
    ...(before.portStatus ? { portStatus: before.portStatus } : {}),
    ...told,
    timestamp: timestampFromMs(nowMs),
    state,
    message: words.message ?? before.message,
    err: words.err ?? '',
  });
}

function containerWords({ container, ports }: ContainerFacts) {
  if (container.kind === 'absent') return {};
  const runtimeStatus = {
    case: 'container' as const,
    value: {
      containerId: container.id,
      pid: container.kind === 'running' ? container.pid : 0,
      exitCode: container.kind === 'exited' ? container.exitCode : 0,
    },
  };
  return { runtimeStatus, portStatus: { ports: [...ports] } };
}
