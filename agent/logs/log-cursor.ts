import type { LogEntry } from './log-entry.ts';
import { type LogRequest, wantsEntry } from './log-request.ts';
import { compareLogTime, type LogTime } from './log-time.ts';

/** How far one log has been read, so that reading can go on after the engine was away. */
export interface LogCursor {
  /** What to ask the engine for now: first what was wanted, later what has come after the last entry taken. */
  readonly begin: () => LogRequest;
  /** True if the entry is wanted and new. */
  readonly take: (entry: LogEntry) => boolean;
}

export function createLogCursor(wanted: LogRequest): LogCursor {
  let request = wanted;
  /** Time of the last entry taken, and how many in a row had it: pieces of a long line share theirs. */
  let last: { readonly time: LogTime; readonly count: number } | undefined;
  /** How many of those the engine will tell once more. */
  let known = 0;

  return {
    begin: () => {
      if (last !== undefined) {
        request = { ...wanted, tail: 'all', since: last.time };
        known = last.count;
      }
      return request;
    },
    take: (entry) => {
      if (!wantsEntry(request, entry)) return false;
      const again = last !== undefined && compareLogTime(entry.time, last.time) === 0;
      if (again && known > 0) {
        known--;
        return false;
      }
      last = { time: entry.time, count: again && last !== undefined ? last.count + 1 : 1 };
      return true;
    },
  };
}
