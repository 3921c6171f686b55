import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Client } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { type Clock, systemClock } from '#base/clock.ts';
import { type TaskRecord, TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import type { LogSubscriptionOptionsSchema } from '#proto/gen/swarmkit/logbroker_pb.js';
import type { TaskState } from '#proto/gen/swarmkit/types_pb.js';
import type { FixtureEntry } from './engine-log.fixture.ts';
import { FakeBroker } from './fake-broker.fixture.ts';
import { createLogService, type LogService } from './log-service.ts';
import { ScriptedEngine } from './scripted-engine.fixture.ts';

export const SERVICE = 'service1';
export type SubscriptionOptions = MessageInitShape<typeof LogSubscriptionOptionsSchema>;

/** A log service between an engine and a manager that do as they are told. Tasks' containers are named `web.ID`. */
export class LogBench {
  readonly engine = new ScriptedEngine();
  readonly broker: FakeBroker;
  readonly logs: LogService;
  /** What the service wrote to its log. */
  readonly said: string[] = [];
  clock: Clock = systemClock;
  stop = new AbortController();
  served: Promise<unknown> = Promise.resolve();
  readonly #client: Client;
  readonly #records = new Map<string, TaskRecord>();

  constructor(broker: FakeBroker) {
    this.broker = broker;
    this.#client = broker.connect();
    this.logs = createLogService({
      engine: this.engine,
      tasks: { all: () => [...this.#records.values()], get: (id) => this.#records.get(id) },
      containerName: (task) => `web.${task.id}`,
      nodeId: () => broker.nodeId,
      clock: {
        now: () => this.clock.now(),
        monotonicMs: () => this.clock.monotonicMs(),
        sleep: (ms, signal) => this.clock.sleep(ms, signal),
      },
      log: pino({ level: 'debug' }, { write: (line: string) => this.said.push(line) }),
    });
  }

  /** Begins a session. */
  async serve(): Promise<void> {
    this.served = this.logs.serve(this.#client, this.stop.signal).catch((error: unknown) => error);
    await until(() => expect(this.broker.listening).toBe(1));
  }

  setTask(id: string, state: TaskState, serviceId = SERVICE): void {
    const record = create(TaskRecordSchema, { task: { id, serviceId }, status: { state } });
    this.#records.set(id, record);
    this.logs.taskChanged(id, record);
  }

  removeTask(id: string): void {
    this.#records.delete(id);
    this.logs.taskChanged(id, undefined);
  }

  subscribe(id: string, options: SubscriptionOptions = {}): void {
    this.broker.subscribe({ id, selector: { serviceIds: [SERVICE] }, options });
  }

  /** Waits until the subscription was answered, once, to the end. */
  async closed(id: string): Promise<void> {
    await until(() => expect(this.broker.of(id).map(({ end }) => end)).toEqual(['closed']));
  }

  async shows(id: string, lines: readonly string[]): Promise<void> {
    await until(() => expect(this.broker.lines(id)).toEqual(lines));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort(new Error('the test is over'));
    await this.served;
    this.#client.close();
    await this.broker[Symbol.asyncDispose]();
    expect(this.broker.breaches).toEqual([]);
  }
}

/** A bench of its own for each test of the file. */
export function useLogBench(): () => LogBench {
  let bench: LogBench | undefined;
  beforeEach(async () => {
    bench = new LogBench(await FakeBroker.listen());
  });
  afterEach(() => bench?.[Symbol.asyncDispose]());
  return () => {
    if (bench === undefined) throw new Error('no test is running');
    return bench;
  };
}

export async function until(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 5000, interval: 5 });
}

let nanos = 0;

/** An entry a little later than the one before. */
export function line(data: string, source: FixtureEntry['source'] = 'stdout', details = {}): FixtureEntry {
  return { source, time: { seconds: 1_700_000_000n, nanos: nanos++ }, details, data };
}
