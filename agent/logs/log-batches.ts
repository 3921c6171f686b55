import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LogMessageSchema } from '#proto/gen/swarmkit/logbroker_pb.js';
import type { Task } from '#proto/gen/swarmkit/types_pb.js';
import type { LogEntry } from './log-entry.ts';

export type LogMessageInit = MessageInitShape<typeof LogMessageSchema>;

/** Managers take 4 MiB; more than this in one message saves nothing and only keeps the first line waiting. */
const BATCH_BYTES = 64 * 1024;

/** Entries of one task in the order they are to be sent, cut into batches; an entry longer than a batch is one alone. */
export function logBatches(entries: readonly LogEntry[]): readonly (readonly LogEntry[])[] {
  const batches: LogEntry[][] = [];
  let batch: LogEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (batch.length > 0 && bytes + entryBytes(entry) > BATCH_BYTES) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += entryBytes(entry);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

/** Context (three ids of 25 characters), time, stream and field headers: about this many bytes of every message. */
const MESSAGE_OVERHEAD = 110;

/** About what the entry takes in a message. */
function entryBytes(entry: LogEntry): number {
  let bytes = MESSAGE_OVERHEAD + entry.data.length;
  for (const { key, value } of entry.details) bytes += key.length + value.length + 8;
  return bytes;
}

/** An entry as it goes to the manager; each carries the ids of its task (spec swarmkit-worker §6). */
export function logMessage(entry: LogEntry, task: Task, nodeId: string): LogMessageInit {
  return {
    context: { nodeId, serviceId: task.serviceId, taskId: task.id },
    timestamp: { seconds: entry.time.seconds, nanos: entry.time.nanos },
    stream: entry.stream,
    data: entry.data,
    attrs: entry.details.map(({ key, value }) => ({ key, value })),
  };
}
