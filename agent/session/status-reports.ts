import { type Client, status as Code } from '@grpc/grpc-js';
import type { Outbox, StatusUpdate } from '#agent/tasks/outbox.ts';
import type { Logger } from '#base/log.ts';
import { Dispatcher } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { callUnary } from '#proto/grpc.ts';
import { grpcCode, grpcText } from './session-end.ts';

/** A status is a few hundred bytes, a manager takes 4 MiB a request: a thousand leave room for long error texts. */
const MOST_UPDATES = 1000;
/**
 * A manager takes statuses into a queue, which takes it milliseconds, and under heavy load seconds. One that does not answer for
 * longer, while it answers heartbeats, would have this node appear alive and its tasks not move: another session is better.
 */
const TAKE_LIMIT_MS = 30_000;

/** Empties the outbox to the manager as it fills; rejects with the failure that ends the session (spec §3.11, §7.3). */
export async function runStatusReports(
  client: Client,
  sessionId: string,
  outbox: Outbox,
  log: Logger,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await outbox.filled(signal);
    const updates = outbox.pending(MOST_UPDATES);
    await deliver(updates);
  }

  async function deliver(updates: readonly StatusUpdate[]): Promise<void> {
    try {
      const limits = { timeoutMs: TAKE_LIMIT_MS, signal };
      await callUnary(client, Dispatcher.method.updateTaskStatus, { sessionId, updates: [...updates] }, limits);
    } catch (error) {
      const code = grpcCode(error);
      // Session or task gone on the other side: the next registration tells all statuses again.
      if (code === Code.NOT_FOUND) return outbox.taken(updates);
      if (!isAboutContent(code, grpcText(error))) throw error;
      const [first] = updates;
      if (updates.length === 1 && first) {
        log.warn({ task: first.taskId, error: grpcText(error) }, 'the manager does not take the status of this task');
        return outbox.taken(updates);
      }
      const half = Math.ceil(updates.length / 2);
      await deliver(updates.slice(0, half));
      return deliver(updates.slice(half));
    }
    outbox.taken(updates);
  }
}

/** True if a smaller request may be taken where this one was not. A manager without a leader is exhausted in other words. */
function isAboutContent(code: Code | undefined, text: string): boolean {
  if (code === Code.RESOURCE_EXHAUSTED) return text.includes('larger than');
  return code === Code.PERMISSION_DENIED && text.includes('not assigned this node');
}
