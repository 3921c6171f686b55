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

/** What Docker's worker says of a container that never was. */
const NO_CONTAINER_STATUS = { case: 'container' as const, value: { containerId: '', pid: 0, exitCode: 0 } };

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
  const known = {
    runtimeStatus: before.runtimeStatus.case ? before.runtimeStatus : NO_CONTAINER_STATUS,
    portStatus: before.portStatus ?? { ports: [] },
  };
  return create(TaskStatusSchema, {
    ...(state >= State.STARTING ? { ...known, ...(facts ? containerWords(facts) : {}) } : {}),
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
      exitCode: exitCodeOf(container),
    },
  };
  return { runtimeStatus, portStatus: { ports: [...ports] } };
}

function exitCodeOf(container: ObservedContainer): number {
  if (container.kind === 'exited') return container.exitCode;
  return container.kind === 'created' ? (container.failedStart?.exitCode ?? 0) : 0;
}
