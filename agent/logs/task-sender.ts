import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import { logBatches, logMessage } from './log-batches.ts';
import { createLogCursor } from './log-cursor.ts';
import type { LogEntry } from './log-entry.ts';
import type { LogRecord } from './log-reader.ts';
import type { LogRequest } from './log-request.ts';
import { fullBucket, takeBytes } from './log-throttle.ts';
import type { Publisher } from './publisher.ts';

/** Brings what is read of one task's log to the manager: each wanted entry once, and not too many at a time. */
export interface TaskSender {
  /** What to ask the engine for, at each new reading. */
  readonly begin: () => LogRequest;
  /** Resolves when more can be taken. @throws the publishing call's error, or `signal.reason` */
  readonly take: (records: readonly LogRecord[]) => Promise<void>;
}

export interface TaskSenderOptions {
  readonly task: Task;
  readonly nodeId: string;
  readonly request: LogRequest;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createTaskSender(options: TaskSenderOptions, signal: AbortSignal): TaskSender {
  const { task, nodeId, publisher, clock, log } = options;
  const cursor = createLogCursor(options.request);
  let bucket = fullBucket(clock.monotonicMs());
  let told = false;

  const throttle = async (batch: readonly LogEntry[]): Promise<void> => {
    const bytes = batch.reduce((sum, entry) => sum + entry.data.length, 0);
    const taken = takeBytes(bucket, bytes, clock.monotonicMs());
    bucket = taken.bucket;
    if (taken.waitMs > 0) await clock.sleep(taken.waitMs, signal);
  };

  return {
    begin: cursor.begin,
    take: async (records) => {
      const entries: LogEntry[] = [];
      for (const record of records) {
        if (record.kind === 'notice' && !told) {
          told = true; // once: a broken log has as many of them as lines
          log.warn({ task: task.id, said: record.text }, 'part of a task log cannot be read');
        }
        if (record.kind === 'entry' && cursor.take(record.entry)) entries.push(record.entry);
      }
      for (const batch of logBatches(entries)) {
        await throttle(batch);
        await publisher.send(batch.map((entry) => logMessage(entry, task, nodeId)));
      }
    },
  };
}
