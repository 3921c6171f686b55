import type { Random } from '#base/random.ts';
import { answerOf, writeAnswer, type Zone } from './answer.ts';
import { HEADER_BYTES, MAX_TCP_BYTES, MAX_UDP_BYTES } from './codes.ts';
import type { Counters } from './counters.ts';
import { parseQuery, type Query } from './query.ts';
import { type Room, writeRefused } from './reply.ts';

/** Where a request came from decides how long the reply may be, and from where the room for it is. */
export interface Transport {
  readonly kind: 'udp' | 'tcp';
  readonly room: (limit: number) => Room;
}

/** `length` 0 means no reply at all. */
export type Handled =
  | { readonly kind: 'reply'; readonly room: Room; readonly length: number }
  | { readonly kind: 'forward'; readonly query: Query }
  | { readonly kind: 'ignore' };

const IGNORE: Handled = Object.freeze({ kind: 'ignore' });

/** Answers one request of a container from its records, or says that it is for other servers. Counts what it does. */
export function handleRequest(
  bytes: Buffer,
  start: number,
  end: number,
  { zone, transport, counters, random }: { zone: Zone; transport: Transport; counters: Counters; random: Random },
): Handled {
  const query = parseQuery(bytes, start, end);
  if (query.kind === 'ignored') {
    counters.ignored++;
    return IGNORE;
  }
  counters.queries++;
  if (query.kind === 'refused') {
    counters.malformed++;
    const room = transport.room(HEADER_BYTES);
    return { kind: 'reply', room, length: writeRefused(room, { bytes, start }, query.rcode) };
  }
  const answer = answerOf(zone, query);
  if (answer.kind === 'forward') return { kind: 'forward', query };
  const limit = transport.kind === 'tcp' ? MAX_TCP_BYTES : Math.min(query.udpBytes, MAX_UDP_BYTES);
  const room = transport.room(limit);
  const length = writeAnswer(room, { bytes, start, questionEnd: query.questionEnd }, query.type, answer, random);
  counters.answered++;
  if (((room.out[room.at + 2] ?? 0) & 0x02) !== 0) counters.truncated++;
  return { kind: 'reply', room, length };
}
