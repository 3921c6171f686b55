import { describe, expect, it } from 'vitest';
import { ago, CLUSTER, GOSSIP, HOUR, MINUTE, NOW_MS, READY, SECOND } from './facts.fixture.ts';
import { type GossipFact, NO_GOSSIP } from './gossip-facts.ts';
import { networkProblems } from './problems-network.ts';
import type { ClusterFact } from './view.ts';

const told = (gossip: Partial<GossipFact>, cluster: Partial<ClusterFact> = {}) =>
  networkProblems({ ...READY, gossip: { ...GOSSIP, ...gossip }, cluster: { ...CLUSTER, ...cluster } }, NOW_MS).map(
    ({ severity, code }) => `${severity} ${code}`,
  );

const WAITING: GossipFact = { ...NO_GOSSIP, state: 'waiting' };
const SEARCHING: Partial<GossipFact> = {
  state: 'searching',
  unreachable: { addresses: ['10.77.1.1'], reason: 'connect ETIMEDOUT', since: ago(MINUTE) },
};
const error = { code: 'gossip-port-in-use', what: '0.0.0.0:7946 is in use', mend: 'Stop it.' };

describe('problems of the network', () => {
  it.each<[string, Partial<GossipFact>, Partial<ClusterFact>, string[]]>([
    ['none', {}, {}, []],
    ['no keys just yet', WAITING, { since: ago(5 * SECOND) }, []],
    ['no keys for long', WAITING, { since: ago(HOUR) }, ['warning gossip-no-keys']],
    ['no keys because there is no session', WAITING, { state: 'disconnected' }, []],
    ['no keys because there is no swarm', NO_GOSSIP, { state: 'not-joined' }, []],
    ['a port in use', { ...NO_GOSSIP, state: 'failing', since: ago(MINUTE), error }, {}, ['error gossip-port-in-use']],
    ['nobody to be reached', SEARCHING, {}, ['error gossip-unreachable']],
    [
      'nobody to be reached just now',
      { ...SEARCHING, unreachable: { addresses: [], reason: '', since: ago(SECOND) } },
      {},
      [],
    ],
    ['no manager to be reached at all', SEARCHING, { state: 'disconnected' }, []],
    ['a peer was found some other way', { ...SEARCHING, state: 'joined' }, {}, []],
    ['bad keys', { keysRefused: 'two of three' }, {}, ['warning gossip-keys-refused']],
    [
      'an interface that is gone',
      { dataPathError: { code: 'address-not-local', what: 'eth7 is gone', mend: null } },
      {},
      ['error data-path-address-not-local'],
    ],
  ])('%s', (_, gossip, cluster, expected) => {
    expect(told(gossip, cluster)).toEqual(expected);
  });

  it('says what to do, and that netd keeps trying', () => {
    const failing = { ...READY, gossip: { ...NO_GOSSIP, state: 'failing' as const, since: ago(MINUTE), error } };
    expect(networkProblems(failing, NOW_MS)[0]).toEqual({
      severity: 'error',
      code: 'gossip-port-in-use',
      what: 'the gossip between the nodes cannot start: 0.0.0.0:7946 is in use',
      mend: 'Stop it. netd keeps trying.',
      since: ago(MINUTE),
    });
    const addresses = ['a', 'b', 'c', 'd', 'e'];
    const searching = { addresses, reason: 'connect ETIMEDOUT', since: ago(MINUTE) };
    const [problem] = networkProblems(
      { ...READY, gossip: { ...GOSSIP, ...SEARCHING, unreachable: searching } },
      NOW_MS,
    );
    expect(problem?.what).toBe('no other node can be reached by gossip: connect ETIMEDOUT');
    expect(problem?.mend).toMatch(/7946, TCP and UDP, .* tried a, b, c and 2 more\. netd keeps trying\.$/);
  });
});
