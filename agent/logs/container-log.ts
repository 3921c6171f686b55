import type { Readable } from 'node:stream';
import type { Engine } from '#agent/engine/engine.ts';
import type { Clock } from '#base/clock.ts';
import { NetdError } from '#base/errors.ts';
import { createLogReader, type LogRecord } from './log-reader.ts';
import { engineLogOptions, type LogRequest } from './log-request.ts';

/** A container as far as its log is concerned. */
export interface LoggedContainer {
  readonly id: string;
  readonly tty: boolean;
}

/**
 * An engine that says nothing for this long while a log that does not follow is read is stuck, and the user's command must
 * not be. Searching a large log for its `since` takes an engine some seconds.
 */
export const SILENCE_LIMIT_MS = 60_000;

/**
 * Reads a container's log once: to its end, or until the container ends when it is followed. Records arrive as the engine
 * sends them; the next are read when those have been taken.
 *
 * @throws EngineError when the engine refuses, EngineUnreachable or a system error when it goes away, NetdError
 * `engine-log-broken` when the log cannot be understood, `engine-stuck`, or `signal.reason`.
 */
export async function readContainerLog(
  engine: Pick<Engine, 'containerLogs'>,
  container: LoggedContainer,
  request: LogRequest,
  take: (records: readonly LogRecord[]) => Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const scope = new AbortController();
  const inside = AbortSignal.any([signal, scope.signal]);
  const patient = <T>(work: Promise<T>): Promise<T> =>
    request.follow ? work : withinSilenceLimit(work, clock, inside);
  let stream: Readable | undefined;
  const onAbort = () => stream?.destroy(inside.reason);
  inside.addEventListener('abort', onAbort, { once: true });
  try {
    stream = await patient(engine.containerLogs(container.id, engineLogOptions(request), inside));
    if (inside.aborted) onAbort();
    const reader = createLogReader(container.tty);
    const chunks: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
    for (;;) {
      const chunk = await patient(chunks.next());
      const records = chunk.done ? reader.end() : reader.push(chunk.value);
      await take(records);
      const broken = records.find((record) => record.kind === 'broken');
      if (broken) throw new NetdError('engine-log-broken', `the engine's log cannot be read: ${broken.text}`);
      if (chunk.done) return;
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    inside.removeEventListener('abort', onAbort);
    scope.abort(new Error('the log has been read'));
    stream?.destroy();
  }
}

/** Rejects when the engine lets us wait for too long. */
export async function withinSilenceLimit<T>(work: Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  const scope = new AbortController();
  const limit = clock.sleep(SILENCE_LIMIT_MS, AbortSignal.any([signal, scope.signal])).then((): never => {
    throw new NetdError('engine-stuck', `the engine has said nothing for ${SILENCE_LIMIT_MS / 1000} s`);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    scope.abort(new Error('the engine has answered'));
    limit.catch(() => {}); // called off, or told by the race
    work.catch(() => {}); // too late to matter
  }
}
