import type { Random } from '#base/random.ts';
import { RCODE, TYPE } from './codes.ts';
import type { Addresses } from './names.ts';
import type { Query } from './query.ts';
import { type Asked, type Room, writeAddresses, writeEmpty, writePointer, writeTruncated } from './reply.ts';
import { reversedAddress, wireName } from './reverse.ts';
import { findName, findPointer, type SearchList } from './search.ts';

/** What one container's questions are answered from. */
export interface Zone {
  readonly networks: SearchList;
  /** Somebody chose `ndots`: names of one label are for the search list, so they do not leave as they are. */
  readonly ndotsExplicit: boolean;
}

/**
 * What is to be done with a question.
 * - `addresses`: of a name known here, of the type asked; `none` that there are none;
 * - `pointer`: the name of an address;
 * - `forward`: not ours to answer.
 */
export type Answer =
  | { readonly kind: 'addresses'; readonly data: readonly Buffer[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'pointer'; readonly name: Buffer }
  | { readonly kind: 'forward' };

const NONE: Answer = Object.freeze({ kind: 'none' });
const FORWARD: Answer = Object.freeze({ kind: 'forward' });

/**
 * Answers from the records (spec dataplane §6.5): A, AAAA, MX and PTR. Every other type is forwarded, names known here included.
 * The class is not looked at.
 */
export function answerOf(zone: Zone, { name, key, type }: Pick<Query, 'name' | 'key' | 'type'>): Answer {
  switch (type) {
    case TYPE.A:
    case TYPE.AAAA: {
      const found = findName(zone.networks, name, key);
      if (found !== undefined) return addressAnswer(found.addresses, type);
      return zone.ndotsExplicit && !name.includes('.') ? NONE : FORWARD;
    }
    // Mailers then fall back to the address.
    case TYPE.MX:
      return findName(zone.networks, name, key) === undefined ? FORWARD : NONE;
    case TYPE.PTR: {
      const ip = reversedAddress(key);
      const target = ip === undefined ? undefined : findPointer(zone.networks, ip);
      const wire = target === undefined ? undefined : wireName(target);
      return wire === undefined ? FORWARD : { kind: 'pointer', name: wire };
    }
    default:
      return FORWARD;
  }
}

/** Writes what `answerOf` found; the length of the reply, or 0 if the question is to be forwarded. */
export function writeAnswer(room: Room, asked: Asked, type: number, answer: Answer, random: Random): number {
  switch (answer.kind) {
    case 'addresses':
      return writeAddresses(room, asked, type, answer.data, random);
    case 'none':
      return writeEmpty(room, asked, RCODE.NOERROR);
    case 'pointer':
      return writePointer(room, asked, answer.name);
    case 'forward':
      return 0;
  }
}

/**
 * Fits a reply of another server to what the client takes: as it came with the client's id, or only the mark that there is
 * more (an upstream that keeps to the size it was told never gets here).
 */
export function relay(room: Room, asked: Asked, reply: Buffer, start: number, end: number): number {
  if (end - start > room.limit) return writeTruncated(room, asked, (reply[start + 3] ?? 0) & 0xf);
  reply.copy(room.out, room.at, start, end);
  asked.bytes.copy(room.out, room.at, asked.start, asked.start + 2);
  return end - start;
}

/** A name known here has nothing more to say elsewhere: no records of the type is an answer, as in Docker 28. */
function addressAnswer(addresses: Addresses, type: number): Answer {
  const data = type === TYPE.A ? addresses.v4 : addresses.v6;
  return data.length === 0 ? NONE : { kind: 'addresses', data };
}
