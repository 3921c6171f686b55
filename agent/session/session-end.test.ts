import { status as Code } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { DescriptionChanged, grpcCode, grpcText, type SessionEnd, sessionEnd } from './session-end.ts';

/** As grpc-js gives it. */
const answered = (code: Code, details: string) =>
  Object.assign(new Error(`${code} ${Code[code]}: ${details}`), { code, details });

const wrapped = (text: string) =>
  answered(
    Code.PERMISSION_DENIED,
    `Permission denied: unauthorized peer role: rpc error: code = PermissionDenied desc = Permission denied: ${text}`,
  );

const soon = 0;
const seldom = 60_000;

describe('sessionEnd', () => {
  it.each<[string, unknown, SessionEnd['kind'], number]>([
    ['the leader stops', answered(Code.CANCELLED, 'context canceled'), 'lost', soon],
    ['the node was deleted', answered(Code.UNKNOWN, 'node not found'), 'removed', seldom],
    [
      'no leader',
      answered(Code.UNKNOWN, "The swarm does not have a leader. It's possible that too few managers are online."),
      'lost',
      soon,
    ],
    ['no broker', answered(Code.UNKNOWN, 'broker is not running'), 'lost', soon],
    ['another session', answered(Code.INVALID_ARGUMENT, 'session invalid'), 'replaced', soon],
    ['another bad argument', answered(Code.INVALID_ARGUMENT, 'what is this'), 'lost', soon],
    ['the deadline', answered(Code.DEADLINE_EXCEEDED, 'Deadline exceeded'), 'lost', soon],
    ['not registered', answered(Code.NOT_FOUND, 'node not registered'), 'lost', soon],
    ['removed by force', wrapped('node abc was removed from swarm'), 'removed', seldom],
    ['another cluster', wrapped('remote certificate not part of organization: other'), 'wrong-cluster', seldom],
    ['another role', wrapped('remote certificate not part of OUs: [swarm-manager]'), 'lost', soon],
    ['an election', answered(Code.RESOURCE_EXHAUSTED, 'more than one redirect to leader from [..]'), 'lost', soon],
    ['the dispatcher stops', answered(Code.ABORTED, 'dispatcher is stopped'), 'lost', soon],
    ['the leader changes', answered(Code.ABORTED, 'node must disconnect'), 'lost', soon],
    ['an old manager', answered(Code.UNIMPLEMENTED, 'unknown method'), 'lost', soon],
    ['no connection', answered(Code.UNAVAILABLE, 'No connection established. Last error: ECONNREFUSED'), 'lost', soon],
    [
      'too many registrations',
      answered(Code.UNAVAILABLE, 'node abc exceeded rate limit count of registrations'),
      'lost',
      8500,
    ],
    [
      'TLS',
      answered(Code.UNAVAILABLE, 'No connection established. Last error: self-signed certificate in chain'),
      'lost',
      soon,
    ],
    [
      'a manager of another swarm',
      new NetdError('other-cluster', 'x is a manager of another swarm'),
      'wrong-cluster',
      seldom,
    ],
    ['our certificate has run out', new NetdError('certificate-expired', 'expired'), 'lost', seldom],
    ['a manager out of reach', new NetdError('manager-unreachable', 'cannot reach'), 'lost', soon],
    ['anything', 'a string', 'lost', soon],
  ])('%s', (_, error, kind, leastWaitMs) => {
    expect(sessionEnd(error)).toMatchObject({ kind, leastWaitMs });
  });

  it('has nothing to wait for when the description has changed', () => {
    expect(sessionEnd(new DescriptionChanged('new label'))).toEqual({ kind: 'described' });
  });

  it("passes on the manager's own words", () => {
    const end = sessionEnd(answered(Code.ABORTED, 'node must disconnect'));
    expect(end).toMatchObject({ text: 'node must disconnect' });
  });
});

describe('grpcCode and grpcText', () => {
  it('read what grpc-js throws, and bear everything else', () => {
    const system = Object.assign(new Error('connect ENOENT'), { code: 'ENOENT' });
    expect(grpcCode(answered(Code.ABORTED, 'x'))).toBe(Code.ABORTED);
    expect([grpcCode(system), grpcCode('x'), grpcCode(undefined)]).toEqual([undefined, undefined, undefined]);
    expect(grpcText(answered(Code.ABORTED, ''))).toBe('10 ABORTED: ');
    expect([grpcText(system), grpcText('x')]).toEqual(['connect ENOENT', 'x']);
  });
});
