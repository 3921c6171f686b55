import * as z from 'zod/mini';

/** A task as the manager's API tells it: what `docker service ps` and `docker inspect TASK` show. */
export interface SwarmTask {
  readonly id: string;
  /** 0 for tasks of global services. */
  readonly slot: number;
  /** Empty while the scheduler has found no node. */
  readonly nodeId: string;
  readonly createdMs: number;
  readonly desired: string;
  readonly state: string;
  /** When the task came into its state, by the clock of the node. */
  readonly stateMs: number;
  readonly message: string;
  readonly err: string;
  readonly containerId: string;
  readonly pid: number;
  readonly exitCode: number;
  /** Published ports in host mode, once for each address family. */
  readonly ports: readonly { readonly target: number; readonly published: number }[];
  /** Undefined for what is not a job. */
  readonly jobIteration: number | undefined;
}

const number = z._default(z.number(), 0);
const string = z._default(z.string(), '');

const taskSchema = z.object({
  ID: z.string(),
  Slot: number,
  NodeID: string,
  CreatedAt: z.string(),
  DesiredState: z.string(),
  Status: z.object({
    Timestamp: z.string(),
    State: z.string(),
    Message: string,
    Err: string,
    ContainerStatus: z.optional(z.object({ ContainerID: string, PID: number, ExitCode: number })),
    PortStatus: z.optional(
      z.object({ Ports: z.optional(z.array(z.object({ TargetPort: number, PublishedPort: number }))) }),
    ),
  }),
  JobIteration: z.optional(z.object({ Index: number })),
});

/** Reads an element of `GET /tasks`. @throws ZodError */
export function parseSwarmTask(value: unknown): SwarmTask {
  const { Status: status, ...task } = taskSchema.parse(value);
  const container = status.ContainerStatus;
  return {
    id: task.ID,
    slot: task.Slot,
    nodeId: task.NodeID,
    createdMs: Date.parse(task.CreatedAt),
    desired: task.DesiredState,
    state: status.State,
    stateMs: Date.parse(status.Timestamp),
    message: status.Message,
    err: status.Err,
    containerId: container?.ContainerID ?? '',
    pid: container?.PID ?? 0,
    exitCode: container?.ExitCode ?? 0,
    ports: (status.PortStatus?.Ports ?? []).map((port) => ({
      target: port.TargetPort,
      published: port.PublishedPort,
    })),
    jobIteration: task.JobIteration?.Index,
  };
}
