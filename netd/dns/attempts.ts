import { RCODE } from './codes.ts';

/** How a try with one server ended: a reply, or nothing usable (a time-out, an ICMP error, a connection refused). */
export type AttemptEnd = { readonly kind: 'reply'; readonly rcode: number } | { readonly kind: 'failed' };

/** Each server gets this long, in milliseconds (spec dataplane §6.7). */
export const ATTEMPT_MS = 4000;

/** Forwarded questions of one container that may wait for servers at a time. */
export const MAX_IN_FLIGHT = 1024;

/** Further ones wait for a place this long, in milliseconds, and are then refused. */
export const MAX_QUEUED_MS = 4000;

/** Questions that may wait for a place; beyond this a client is asking faster than anybody could answer. */
export const MAX_QUEUED = 1024;

/**
 * What follows: the reply goes to the client, the next server is tried, or the client is told SERVFAIL. No server is
 * remembered as bad: each question begins with the first.
 *
 * @param attempt counts from 0
 */
export function afterAttempt(end: AttemptEnd, attempt: number, servers: number): 'relay' | 'next' | 'servfail' {
  const isUseful = end.kind === 'reply' && end.rcode !== RCODE.SERVFAIL && end.rcode !== RCODE.REFUSED;
  if (isUseful) return 'relay';
  return attempt + 1 < servers ? 'next' : 'servfail';
}
