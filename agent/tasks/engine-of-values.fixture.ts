import { EngineError, EngineStuck, EngineUnreachable } from '#agent/engine/engine-error.ts';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import type { Health, ObservedContainer } from './observed.ts';
import type { TaskOperations } from './operations.ts';

interface ValueContainer {
  readonly id: string;
  state: 'created' | 'running' | 'exited';
  exitCode: number;
  error: string;
  health: Health;
}

/** What becomes of the containers of one task. */
export interface Behaviour {
  /** Why the task can never run here. */
  readonly unresolvable?: string;
  readonly prepareFails?: string;
  readonly startFails?: string;
  /** As the container has it from its start on. */
  readonly health?: Health;
  /** Exit code on being stopped. */
  readonly stopCode?: number;
}

/**
 * An engine without a machine: containers are values, and they do what containers do. Names are taken once, a container
 * starts, exits, may be removed by a stranger; the engine may be out of reach, before or after it has done what was asked.
 */
export class EngineOfValues {
  readonly containers = new Map<string, ValueContainer>();
  /** How often a container of the task was started, or was tried to be. */
  readonly starts = new Map<string, number>();
  readonly removals: string[] = [];
  readonly behaviours = new Map<string, Behaviour>();
  /** Pulls end when this does. */
  pull: () => Promise<void> = async () => {};
  /** Every operation waits for this before and after it does its work. */
  turn: () => Promise<void> = async () => {};
  reachable = true;
  /** Tasks whose containers the engine does not answer for: every call ends when it was waited for long enough. */
  readonly stuck = new Set<string>();
  /** False: what tasks are made of depends on facts the engine has not told yet. */
  known = true;
  /** Told after every change, as the engine's events are. */
  onEvent: (taskId: string) => void = () => {};
  #ids = 0;
  /** Operations of an earlier life of netd come to nothing. */
  #life = 0;

  /** netd dies: what it was doing ends where it is. */
  crash(): void {
    this.#life++;
    this.onEvent = () => {};
  }

  exit(taskId: string, exitCode: number): void {
    const container = this.containers.get(taskId);
    if (container?.state !== 'running') return;
    Object.assign(container, { state: 'exited', exitCode });
    this.onEvent(taskId);
  }

  setHealth(taskId: string, health: Health): void {
    const container = this.containers.get(taskId);
    if (container?.state !== 'running' || container.health === 'none') return;
    container.health = health;
    this.onEvent(taskId);
  }

  /** A stranger removes the container. */
  vanish(taskId: string): void {
    if (this.containers.delete(taskId)) this.onEvent(taskId);
  }

  operations(): TaskOperations {
    const life = this.#life;
    return {
      resolve: (task: Task) => {
        const { id } = task;
        const act = async <T>(work: () => T | Promise<T>): Promise<T> => {
          await this.#pass(life);
          if (this.stuck.has(id)) throw new EngineStuck('unix:///values', 'answered', 60_000);
          const result = await work();
          await this.#pass(life);
          return result;
        };
        const behaviour = () => this.behaviours.get(id) ?? {};
        if (!this.known) throw new EngineUnreachable('unix:///values', new Error('not asked yet'));
        const { unresolvable } = behaviour();
        if (unresolvable !== undefined) throw new Error(unresolvable);
        return {
          name: `name.${id}`,
          observe: () => act(() => ({ container: this.#observed(id), ports: [] })),
          prepare: async (signal) => {
            await act(() => {});
            await Promise.race([this.pull(), aborted(signal)]);
            signal.throwIfAborted();
            return act(() => {
              const { prepareFails } = behaviour();
              if (prepareFails !== undefined) throw new EngineError('create container', 404, prepareFails);
              this.#create(id);
              return { container: this.#observed(id), ports: [] };
            });
          },
          start: () => act(() => this.#start(id, behaviour())),
          stop: () => act(() => this.exit(id, behaviour().stopCode ?? 143)),
          remove: () =>
            act(() => {
              if (this.containers.delete(id)) this.removals.push(id);
            }),
        };
      },
    };
  }

  async #pass(life: number): Promise<void> {
    await this.turn();
    if (life !== this.#life) await new Promise(() => {}); // nobody is there to hear
    if (!this.reachable) throw new EngineUnreachable('unix:///values', new Error('connect ECONNREFUSED'));
  }

  #create(taskId: string): void {
    if (this.containers.has(taskId)) return; // a name conflict with our own container
    this.#ids++;
    this.containers.set(taskId, { id: `c${this.#ids}`, state: 'created', exitCode: 0, error: '', health: 'none' });
  }

  #start(taskId: string, { startFails, health = 'none' }: Behaviour): void {
    const container = this.containers.get(taskId);
    if (!container) throw new EngineError('start container', 404, `No such container: name.${taskId}`);
    if (container.state === 'running') return; // 304
    this.starts.set(taskId, (this.starts.get(taskId) ?? 0) + 1);
    if (startFails !== undefined) {
      Object.assign(container, { exitCode: 127, error: startFails });
      throw new EngineError('start container', 400, startFails);
    }
    Object.assign(container, { state: 'running', health });
    this.onEvent(taskId);
  }

  #observed(taskId: string): ObservedContainer {
    const container = this.containers.get(taskId);
    if (!container) return { kind: 'absent' };
    const { id, exitCode, error, health } = container;
    switch (container.state) {
      case 'created':
        return { kind: 'created', id, ...(error === '' ? {} : { failedStart: { exitCode, error } }) };
      case 'running':
        return { kind: 'running', id, pid: 7, health };
      case 'exited':
        return { kind: 'exited', id, exitCode, error, checked: health !== 'none' };
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
