import { describe, expect, it } from 'vitest';
import { ago, NOT_JOINED, NOW_MS, READY, SECOND, task } from './facts.fixture.ts';
import { DRIFT, NETWORKS } from './network.fixture.ts';
import type { NetworkSummaryFact, NetworksFact } from './network-facts.ts';
import { overlayProblems } from './problems-overlay.ts';

const [SHOP] = NETWORKS.networks;
if (SHOP === undefined) throw new Error('unreachable: it has two');
const problemsOf = (networks: Partial<NetworksFact>) =>
  overlayProblems({ ...READY, networks: { ...NETWORKS, ...networks } }, NOW_MS);
const withShop = (changes: Partial<NetworkSummaryFact>) => ({ networks: [{ ...SHOP, ...changes }] });
const duplicate = {
  level: 'warning',
  code: 'duplicate-address',
  text: '10.0.1.5 is claimed by several hosts',
} as const;

describe('problems of overlay networks', () => {
  it('are none where nothing is wrong', () => {
    expect(problemsOf({})).toEqual([]);
    const open = DRIFT.open.map((one) => ({ ...one, since: ago(2 * SECOND) }));
    expect(problemsOf({ drift: { ...DRIFT, open, recurring: [] } })).toEqual([]);
    expect(overlayProblems({ ...NOT_JOINED, networks: { ...NETWORKS, driverProblem: 'no' } }, NOW_MS)).toEqual([]);
  });

  it.each<[string, Partial<NetworksFact>, string, RegExp]>([
    [
      'a driver that cannot be served',
      { driverProblem: 'the engine cannot call netd: EACCES' },
      'error network-driver',
      /EACCES/,
    ],
    [
      'a refused network',
      withShop({ state: 'refused', reason: 'too small' }),
      'error network-refused',
      /shop cannot be made here: too small/,
    ],
    ['a failed network', withShop({ state: 'failed', reason: 'EEXIST' }), 'error network-failed', /EEXIST/],
    [
      'a wire too narrow',
      withShop({ findings: [{ level: 'warning', code: 'underlay-mtu', text: 'up0 carries 1400' }] }),
      'warning underlay-mtu',
      /network shop: up0/,
    ],
    [
      'addresses claimed twice, told as one',
      withShop({ findings: Array(5).fill(duplicate) }),
      'warning duplicate-address',
      /; and 2 more$/,
    ],
    [
      'drift that stays',
      { drift: { ...DRIFT, recurring: [] } },
      'error drift',
      /shop: ndx4f02ac91be is gone, which cannot be mended: EEXIST/,
    ],
    [
      'drift that comes back',
      { drift: { ...DRIFT, open: [] } },
      'warning drift-recurs',
      /again and again no forwarding row .* \(7 times lately\)/,
    ],
    [
      'a container without names',
      { dns: { ...NETWORKS.dns, failed: [{ container: 'web.1', error: 'EPERM' }] } },
      'warning dns-not-served',
      /web\.1 cannot resolve .*EPERM/,
    ],
  ])('tell of %s', (_, networks, head, what) => {
    const problems = problemsOf(networks);
    expect(problems.map(({ severity, code }) => `${severity} ${code}`)).toEqual([head]);
    expect(problems[0]?.what).toMatch(what);
    expect(problems[0]?.mend).toMatch(/\S/);
  });

  // The first two as 20.10.24 and 28.5.2 say it.
  it.each([
    ['has not met it yet', 'plugin "netd" not found'],
    [
      'has met it before',
      'Post "http://plugin.moby.localhost/NetworkDriver.CreateNetwork": dial unix /run/docker/plugins/netd.sock: connect: no such file or directory',
    ],
    ['has a network of it', 'error looking up network plugin netd: plugin "netd" not found'],
  ])('tell of an engine that looks for the driver elsewhere, and %s', (_, err) => {
    const tasks = [task(1, { state: 'preparing', err })];
    expect(overlayProblems({ ...READY, tasks }, NOW_MS)).toMatchObject([
      { severity: 'error', code: 'network-driver-not-found', mend: expect.stringContaining('/run/docker/plugins') },
    ]);
  });
});
