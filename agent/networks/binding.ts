import { containerName } from '#agent/container/name.ts';
import type { ServiceBinding } from '#netd/desired.ts';
import { type NetworkAttachment, type Task, TaskState, type TaskStatus } from '#proto/gen/swarmkit/types_pb.js';

/** What is known of the container of a task. */
export interface BoundContainer {
  /** 64 hex digits; undefined before it was created. */
  readonly id: string | undefined;
  /** The host name it was created with; undefined where the engine has given it its own, which is the short id. */
  readonly hostname: string | undefined;
}

/** Length of the ids people type. */
const SHORT_ID_DIGITS = 12;

/**
 * Whether others may resolve and send to a task (spec dataplane §4.7): once it runs, which for a task with a health check is
 * once it was healthy, and no longer when it is about to be stopped.
 *
 * @param draining a stop has begun
 */
export function bindingState(status: TaskStatus, draining: boolean): ServiceBinding['state'] {
  if (status.state < TaskState.RUNNING) return 'pending';
  return draining ? 'draining' : 'active';
}

/** The row of one attachment of a task (spec swarmkit-worker §5.5, spec dataplane §2.1). */
export function bindingRow(
  task: Task,
  attachment: NetworkAttachment,
  container: BoundContainer,
): ServiceBinding['row'] {
  const networkId = attachment.network?.id;
  const vip = task.endpoint?.virtualIps.find((one) => one.networkId === networkId)?.addr.split('/')[0];
  return {
    name: containerName(task),
    service: task.serviceId === '' ? undefined : { id: task.serviceId, name: task.serviceAnnotations?.name ?? '' },
    virtualIp: vip || undefined,
    // Ports of the routing mesh belong into rows of the ingress network alone.
    ingressPorts: [],
    aliases: attachment.aliases,
    taskAliases: taskAliases(container),
  };
}

/** The names of the container itself. */
export function taskAliases({ id, hostname }: BoundContainer): readonly string[] {
  const shortId = id?.slice(0, SHORT_ID_DIGITS);
  return [...new Set([shortId, hostname].filter((name) => name !== undefined && name !== ''))] as string[];
}
