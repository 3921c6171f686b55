/** What became of a container's questions since its resolver was made. */
export interface Counters {
  /** Packets taken for requests. */
  queries: number;
  /** Answered from the records. */
  answered: number;
  /** Sent to a server; each counts once, whatever came of it. */
  forwarded: number;
  /** Told SERVFAIL or REFUSED by us: no server answered. */
  failed: number;
  /** Replies that did not fit and said so. */
  truncated: number;
  /** Malformed or unknown requests that were told so. */
  malformed: number;
  /** Packets that get no reply: too short, or replies themselves. */
  ignored: number;
}

export function newCounters(): Counters {
  return { queries: 0, answered: 0, forwarded: 0, failed: 0, truncated: 0, malformed: 0, ignored: 0 };
}

/** Adds what one resolver counted to what others did. */
export function addCounters(sum: Counters, more: Readonly<Counters>): void {
  sum.queries += more.queries;
  sum.answered += more.answered;
  sum.forwarded += more.forwarded;
  sum.failed += more.failed;
  sum.truncated += more.truncated;
  sum.malformed += more.malformed;
  sum.ignored += more.ignored;
}
