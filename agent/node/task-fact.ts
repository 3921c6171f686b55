import { timestampMs } from '@bufbuild/protobuf/wkt';
import { isoTime, TASK_STATES, type TaskFact, type TaskStateName } from '#agent/api/view.ts';
import { containerName } from '#agent/container/name.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { type PortConfig, PortConfig_Protocol as Protocol, TaskState } from '#proto/gen/swarmkit/types_pb.js';

/** A task as the local API shows it. */
export function taskFact(record: TaskRecord): TaskFact | undefined {
  const { task, status } = record;
  if (!task || !status) return undefined;
  const runtime = task.spec?.runtime;
  const container = status.runtimeStatus.case === 'container' ? status.runtimeStatus.value : undefined;
  return {
    id: task.id,
    name: containerName(task),
    serviceId: task.serviceId,
    service: task.serviceAnnotations?.name ?? '',
    slot: Number(task.slot),
    image: runtime?.case === 'container' ? runtime.value.image : '',
    desired: stateName(task.desiredState),
    state: stateName(status.state),
    since: isoTime(status.timestamp ? timestampMs(status.timestamp) : 0),
    message: status.message,
    err: status.err,
    containerId: container?.containerId || null,
    pid: container?.pid || null,
    exitCode: container?.containerId && status.state >= TaskState.COMPLETE ? container.exitCode : null,
    ports: (status.portStatus?.ports ?? []).map(portFact),
  };
}

function portFact(port: PortConfig) {
  const protocol = (Protocol[port.protocol] ?? String(port.protocol)).toLowerCase();
  return { protocol, targetPort: port.targetPort, publishedPort: port.publishedPort };
}

/** States a newer manager may invent are told as the last one known below them. */
function stateName(state: TaskState): TaskStateName {
  const name = (TaskState[state] ?? '').toLowerCase();
  return TASK_STATES.find((known) => known === name) ?? 'orphaned';
}
