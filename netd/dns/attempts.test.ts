import { describe, expect, it } from 'vitest';
import { type AttemptEnd, afterAttempt } from './attempts.ts';
import { RCODE } from './codes.ts';

const reply = (rcode: number): AttemptEnd => ({ kind: 'reply', rcode });

describe('after a server', () => {
  it.each<[string, AttemptEnd, number, number, string]>([
    ['answered', reply(RCODE.NOERROR), 0, 3, 'relay'],
    ['said that there is no such name', reply(RCODE.NXDOMAIN), 0, 3, 'relay'],
    ['said it could not read it', reply(RCODE.FORMERR), 0, 3, 'relay'],
    ['said it does not do that', reply(RCODE.NOTIMP), 0, 3, 'relay'],
    ['failed', reply(RCODE.SERVFAIL), 0, 3, 'next'],
    ['refused', reply(RCODE.REFUSED), 1, 3, 'next'],
    ['was silent', { kind: 'failed' }, 1, 3, 'next'],
    ['failed, the last', reply(RCODE.SERVFAIL), 2, 3, 'servfail'],
    ['refused, the last', reply(RCODE.REFUSED), 2, 3, 'servfail'],
    ['was silent, the only one', { kind: 'failed' }, 0, 1, 'servfail'],
  ])('%s', (_, end, attempt, servers, expected) => {
    expect(afterAttempt(end, attempt, servers)).toBe(expected);
  });
});
