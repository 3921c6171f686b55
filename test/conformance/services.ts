import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { patiently } from './patiently.ts';
import { parseSwarmTask, type SwarmTask } from './swarm-task.ts';

/** A shell script that runs until it is asked to end, and then ends at once. */
export const RUN_ON = 'trap "exit 0" TERM; sleep 100000 & wait';
/** A shell script that runs until the file /go is there. */
export const WAIT_FOR_GO = 'until [ -e /go ]; do sleep 0.1; done';

export interface ServiceOptions {
  readonly image?: string;
  /** Host name of the one node for its tasks; every worker without it. */
  readonly on?: string;
}

/** The services of a swarm: made with the command line of its manager, as users do. */
export class Services {
  readonly manager: Host;

  constructor(manager: Host) {
    this.manager = manager;
  }

  /** `docker service create`; each task runs the script in a shell. Returns the id. */
  async create(
    name: string,
    script: string,
    flags: readonly string[] = [],
    options: ServiceOptions = {},
  ): Promise<string> {
    const { image = BUSYBOX, on } = options;
    const place = ['--constraint', on === undefined ? 'node.role==worker' : `node.hostname==${on}`];
    const given = ['--detach', '--no-resolve-image', '--name', name, ...place, ...flags];
    return this.manager.docker('service', 'create', ...given, image, 'sh', '-c', script);
  }

  /** `docker service update`. */
  async update(name: string, ...flags: readonly string[]): Promise<void> {
    await this.manager.docker('service', 'update', '--detach', '--no-resolve-image', ...flags, name);
  }

  /** `docker service rm`. */
  async remove(...names: readonly string[]): Promise<void> {
    await this.manager.docker('service', 'rm', ...names);
  }

  /** All tasks the manager knows of a service, oldest first. */
  async tasks(name: string): Promise<readonly SwarmTask[]> {
    const list: readonly unknown[] = await this.manager.engine
      .api()
      .listTasks({ filters: JSON.stringify({ service: [name] }) });
    return list.map(parseSwarmTask).sort((a, b) => a.createdMs - b.createdMs);
  }

  async task(id: string): Promise<SwarmTask> {
    return parseSwarmTask(await this.manager.engine.api().getTask(id).inspect());
  }

  /** Waits until `check` gives something for the tasks of a service; throws, with the tasks, when it never does. */
  async when<T>(
    name: string,
    what: string,
    check: (tasks: readonly SwarmTask[]) => T | false | undefined,
    options: { readonly intervalMs?: number } = {},
  ): Promise<T> {
    let seen: readonly SwarmTask[] = [];
    try {
      return await patiently(
        `service ${name}: ${what}`,
        async () => {
          seen = await this.tasks(name);
          return check(seen);
        },
        options,
      );
    } catch (error) {
      const rows = seen.map((t) => `${t.id} slot ${t.slot} ${t.state}/${t.desired} ${t.message} ${t.err}`);
      throw new Error(`service ${name}: never: ${what}; tasks:\n${rows.join('\n')}`, { cause: error });
    }
  }

  /** Waits until so many tasks of a service run, and gives them. */
  async running(name: string, count = 1): Promise<readonly SwarmTask[]> {
    return this.when(name, `${count} running`, (tasks) => {
      const running = tasks.filter((task) => task.state === 'running' && task.desired === 'running');
      return running.length === count && running;
    });
  }

  /** Waits until the one task of a service runs, and gives it. */
  async runningTask(name: string): Promise<SwarmTask> {
    const [task] = await this.running(name);
    if (task === undefined) throw new Error('unreachable: one runs');
    return task;
  }

  /** Waits until the oldest task of a service is in that state. */
  async first(name: string, state: string): Promise<SwarmTask> {
    return this.when(name, `first task ${state}`, ([task]) => task?.state === state && task);
  }

  /** Columns of `docker service ps`, a row for each task, newest first in each slot. */
  async ps(name: string, format: string): Promise<readonly string[]> {
    const rows = await this.manager.docker('service', 'ps', '--no-trunc', '--format', format, name);
    return rows === '' ? [] : rows.split('\n');
  }
}
