import type { PortConfig, Task } from '#proto/gen/swarmkit/types_pb.js';
import type { ContainerFacts } from './status.ts';

/** What can be done to the container of a task. Implemented on the engine, and in tests by an engine of values. */
export interface TaskOperations {
  /**
   * Validates and expands the task; throws (SpecError) for what can never run here, and EngineUnreachable while the engine
   * has not told yet what the task's templates may speak of. Touches nothing.
   */
  readonly resolve: (task: Task) => ResolvedTask;
}

/** A task that has been understood: its container has a name and a plan. */
export interface ResolvedTask {
  readonly name: string;
  readonly observe: () => Promise<ContainerFacts>;
  /**
   * Image, networks, volumes, secrets, container: all there afterwards, also when some of it was before. Says what is.
   *
   * @param tell told in words what is waited for, if that may take longer
   */
  readonly prepare: (signal: AbortSignal, tell: (what: string) => void) => Promise<ContainerFacts>;
  readonly start: (id: string) => Promise<void>;
  readonly stop: (id: string) => Promise<void>;
  /** Removes the container and what was made for it alone. */
  readonly remove: () => Promise<void>;
}

export const NO_CONTAINER: ContainerFacts = { container: { kind: 'absent' }, ports: [] as readonly PortConfig[] };
