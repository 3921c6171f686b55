import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TASK_ID_LABEL } from '#agent/container/labels.ts';
import { silentLogger } from '#base/log.ts';
import { type Random, seededRandom } from '#base/random.ts';
import type { TaskRecord } from '#proto/gen/state/task_record_pb.js';
import { TaskState as S, type Task, TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { type Behaviour, EngineOfValues } from './engine-of-values.fixture.ts';
import { createOutbox } from './outbox.ts';
import { compareWithEngine } from './resync.ts';
import { createTasks, type Tasks } from './tasks.ts';

/*
 * Whole lives of tasks with everything that can happen to them at any point: netd killed and started anew from a file that
 * lags behind, the engine out of reach, containers that exit, sicken or are removed by a stranger, a manager that changes its
 * mind. A seed decides how the operations of different tasks interleave.
 */

const IDS = ['a', 'b', 'c'] as const;
type Id = (typeof IDS)[number];

type Happening =
  | { readonly kind: 'assign'; readonly id: Id; readonly behaviour: Behaviour; readonly desired: S }
  | { readonly kind: 'want'; readonly id: Id; readonly desired: S }
  | { readonly kind: 'unassign'; readonly id: Id }
  | { readonly kind: 'complete' }
  | { readonly kind: 'exit'; readonly id: Id; readonly code: number }
  | { readonly kind: 'health'; readonly id: Id; readonly health: 'healthy' | 'unhealthy' }
  | { readonly kind: 'vanish'; readonly id: Id }
  | { readonly kind: 'engine'; readonly reachable: boolean }
  | { readonly kind: 'written' }
  | { readonly kind: 'killed' }
  | { readonly kind: 'restarted' }
  | { readonly kind: 'time' };

const id = fc.constantFrom(...IDS);
const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({}) },
  { weight: 2, arbitrary: fc.constant({ health: 'starting' as const, stopCode: 137 }) },
  { weight: 1, arbitrary: fc.constant({ startFails: 'no such command' }) },
  { weight: 1, arbitrary: fc.constant({ prepareFails: 'no such image' }) },
  { weight: 1, arbitrary: fc.constant({ unresolvable: 'nonsense' }) },
);
const desired = fc.constantFrom(S.READY, S.RUNNING, S.RUNNING, S.COMPLETE, S.SHUTDOWN, S.REMOVE);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('assign' as const), id, behaviour, desired }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('want' as const), id, desired }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unassign' as const), id }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('exit' as const), id, code: fc.constantFrom(0, 1, 137) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('health' as const),
      id,
      health: fc.constantFrom('healthy' as const, 'unhealthy' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('vanish' as const), id }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('engine' as const), reachable: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Happening>(
      { kind: 'written' },
      { kind: 'killed' },
      { kind: 'restarted' },
      { kind: 'time' },
      { kind: 'complete' },
    ),
  },
);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('never starts a task twice, never goes back, and always comes to rest where the manager wants it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { minLength: 1, maxLength: 25 }), fc.nat(), async (happenings, seed) => {
      const world = new World(seededRandom(seed));
      for (const one of happenings) await world.let(one);
      await world.rest();
      world.check();
    }),
    { numRuns: 400 },
  );
}, 60_000);

class World {
  readonly #random: Random;
  readonly #engine = new EngineOfValues();
  /** What the manager has assigned. */
  readonly #assigned = new Map<string, Task>();
  /** Ids are used once. */
  #generation = 0;
  readonly #robbed = new Set<string>();
  readonly #current = new Map<Id, string>();
  #memory = new Map<string, TaskRecord>();
  #file = new Map<string, TaskRecord>();
  #tasks: Tasks | undefined;

  constructor(random: Random) {
    this.#random = random;
    this.#engine.turn = async () => {
      for (let turns = Math.floor(random() * 3); turns > 0; turns--) await turn();
    };
    this.#start();
  }

  async let(one: Happening): Promise<void> {
    this.#happen(one);
    for (let turns = Math.floor(this.#random() * 8); turns > 0; turns--) await turn();
  }

  /** Everything is well again and stays so; nothing more happens but time. */
  async rest(): Promise<void> {
    this.#engine.reachable = true;
    if (!this.#tasks) this.#start();
    this.#tell({ complete: true });
    for (let seconds = 0; seconds < 5; seconds++) {
      await this.#tasks?.idle();
      vi.advanceTimersByTime(1000);
    }
    await this.#tasks?.idle();
    this.#resync();
    await this.#tasks?.idle();
  }

  /** As a node does on a slow timer. */
  #resync(): void {
    const containers = [...this.#engine.containers].map(([taskId, { state }]) => ({
      Id: taskId,
      Labels: { [TASK_ID_LABEL]: taskId },
      State: state,
    }));
    const { tasks, strays } = compareWithEngine(this.#tasks?.all() ?? [], containers);
    for (const taskId of tasks) this.#tasks?.mark(taskId);
    for (const taskId of strays) this.#engine.vanish(taskId);
  }

  check(): void {
    const tasks = this.#tasks;
    if (!tasks) throw new Error('netd does not run');
    expect(
      tasks
        .all()
        .map(({ task }) => task?.id)
        .sort(),
    ).toEqual([...this.#assigned.keys()].sort());
    for (const container of this.#engine.containers.keys()) expect(this.#assigned.has(container)).toBe(true);
    for (const [taskId, count] of this.#engine.starts) if (!this.#robbed.has(taskId)) expect(count).toBe(1);
    for (const [taskId, task] of this.#assigned) {
      const state = tasks.get(taskId)?.status?.state ?? S.NEW;
      const container = this.#engine.containers.get(taskId);
      if (task.desiredState >= S.SHUTDOWN) {
        expect(state).toBeGreaterThanOrEqual(S.COMPLETE);
        expect(container?.state).not.toBe('running');
      } else if (state < S.COMPLETE) {
        const waits = state === S.STARTING && container?.health === 'starting';
        if (!waits) expect(S[state]).toBe(S[Math.min(task.desiredState, S.RUNNING)]);
        // One that a stranger has removed in READY is missed when it is to be started.
        expect(state === S.READY ? [undefined, 'created'] : ['running']).toContain(container?.state);
      } else {
        expect(container?.state).not.toBe('running');
      }
    }
  }

  #happen(one: Happening): void {
    const taskId = 'id' in one ? (this.#current.get(one.id) ?? '') : '';
    switch (one.kind) {
      case 'assign': {
        this.#generation++;
        const fresh = `${one.id}${this.#generation}`;
        this.#current.set(one.id, fresh);
        this.#engine.behaviours.set(fresh, one.behaviour);
        this.#assigned.set(
          fresh,
          create(TaskSchema, { id: fresh, desiredState: one.desired, status: { state: S.ASSIGNED } }),
        );
        this.#tell({ update: fresh });
        break;
      }
      case 'want': {
        const task = this.#assigned.get(taskId);
        if (!task || task.desiredState > one.desired) break;
        this.#assigned.set(taskId, { ...task, desiredState: one.desired });
        this.#tell({ update: taskId });
        break;
      }
      case 'unassign':
        this.#assigned.delete(taskId);
        this.#tell({ remove: taskId });
        break;
      case 'complete':
        this.#tell({ complete: true });
        break;
      case 'exit':
        this.#engine.exit(taskId, one.code);
        break;
      case 'health':
        this.#engine.setHealth(taskId, one.health);
        break;
      case 'vanish':
        // A stranger's removal within the second in which netd is killed as well leaves nobody who knows of the start.
        this.#robbed.add(taskId);
        this.#engine.vanish(taskId);
        break;
      case 'engine':
        this.#engine.reachable = one.reachable;
        this.#tasks?.markAll();
        break;
      case 'written':
        this.#write();
        break;
      case 'killed':
        this.#kill();
        break;
      case 'restarted':
        this.#kill();
        this.#start();
        break;
      case 'time':
        vi.advanceTimersByTime(1000);
        break;
    }
  }

  #tell({ update, remove, complete = false }: { update?: string; remove?: string; complete?: boolean }): void {
    const listed = complete ? [...this.#assigned.values()] : [this.#assigned.get(update ?? '')];
    this.#tasks?.assign({
      complete,
      update: listed.filter((task) => task !== undefined),
      remove: remove === undefined ? [] : [remove],
    });
  }

  #write(): void {
    this.#file = new Map(this.#memory);
  }

  #kill(): void {
    this.#engine.crash();
    this.#tasks = undefined;
  }

  #start(): void {
    if (this.#tasks) return;
    const memory = new Map(this.#file);
    this.#memory = memory;
    const said = new Map<string, S>();
    const outbox = createOutbox();
    this.#tasks = createTasks({
      operations: this.#engine.operations(),
      store: {
        load: async () => [],
        put: (record) => memory.set(record.task?.id ?? '', record),
        remove: (taskId) => memory.delete(taskId),
        flush: async () => {},
        wipe: async () => {},
        problem: () => undefined,
      },
      outbox: {
        ...outbox,
        put: (taskId, status) => {
          expect(status.state).toBeGreaterThanOrEqual(said.get(taskId) ?? 0);
          said.set(taskId, status.state);
          outbox.put(taskId, status);
        },
      },
      inputsReady: () => true,
      clock: new VirtualClock(),
      log: silentLogger,
    });
    this.#engine.onEvent = this.#tasks.mark;
    this.#tasks.restore([...memory.values()]);
    this.#tell({ complete: true });
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
