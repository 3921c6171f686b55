import { expect, test } from 'vitest';
import { Repeats, tell, tellAll } from './facts.ts';
import type { Fact } from './io.ts';

const address = { ip: '10.0.0.12', port: 7946 };

test.each<[Fact, string]>([
  [{ kind: 'peer', node: 'b7', address, state: 'up' }, 'info gossip peer joined node=b7 address=10.0.0.12:7946'],
  [{ kind: 'peer', node: 'b7', address, state: 'left' }, 'info gossip peer left node=b7 address=10.0.0.12:7946'],
  [{ kind: 'peer', node: 'b7', address, state: 'down' }, 'warn gossip peer failed node=b7 address=10.0.0.12:7946'],
  [
    { kind: 'conflict', node: 'b7', known: address, claimed: { ip: '2001:db8::1', port: 7946 } },
    'warn a gossip name is claimed by another address; restart one of the two: each start draws a new name node=b7 known=10.0.0.12:7946 claimed=[2001:db8::1]:7946',
  ],
  [{ kind: 'joined', peers: 3 }, 'info joined the gossip cluster peers=3'],
  [
    { kind: 'unreachable', addresses: [address, address], reason: 'timed out' },
    'warn no gossip peer can be reached; will keep trying addresses=10.0.0.12:7946 10.0.0.12:7946 reason=timed out mend=let TCP and UDP on that port through, both ways',
  ],
  [
    { kind: 'dropped', what: 'row', reason: 'full' },
    'warn gossip holds all it may and drops what is new; "netd inspect gossip" shows who sends so much what=row reason=full',
  ],
])('%o', (fact, line) => {
  const { level, message, fields } = tell(fact);
  const said = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  expect([level, message, ...said].join(' ')).toBe(line);
});

test('a crowd that comes or fails in one step is told of by its number, everything else one by one', () => {
  const peers = (state: 'up' | 'down', count: number): Fact[] =>
    Array.from({ length: count }, (_, i) => ({ kind: 'peer', node: `node${i}`, address, state }));
  const said = (facts: readonly Fact[]) =>
    tellAll(facts).map(({ level, message, fields }) => `${level} ${message} ${fields.peers ?? fields.node ?? ''}`);
  expect(said([...peers('up', 500), { kind: 'joined', peers: 3 }, ...peers('down', 2)])).toEqual([
    'info joined the gossip cluster 3',
    'warn gossip peer failed node0',
    'warn gossip peer failed node1',
    'info gossip peers joined 500',
  ]);
  expect(said(peers('down', 21))).toEqual(['warn gossip peers failed 21']);
  expect(said(peers('up', 20))).toHaveLength(20);
});

test('what a peer can say without end is told once a minute, and of each kind only so much', () => {
  const repeats = new Repeats();
  const conflict = (node: string): Fact => ({ kind: 'conflict', node, known: address, claimed: address });
  const dropped: Fact = { kind: 'dropped', what: 'node', reason: 'already 32768 members' };
  const told = (facts: readonly Fact[], nowMs: number) =>
    facts.filter((fact) => repeats.isWorthTelling(fact, nowMs)).length;
  expect(told([conflict('a'), conflict('a'), conflict('b'), dropped, dropped], 0)).toBe(3);
  expect(told([conflict('a'), dropped], 59_999)).toBe(0);
  expect(told([conflict('a'), dropped], 60_000)).toBe(2);
  expect(
    told(
      Array.from({ length: 1000 }, (_, i) => conflict(`node${i}`)),
      60_000,
    ),
  ).toBe(19);
  // A change of state is always news.
  const failed: Fact = { kind: 'peer', node: 'b7', address, state: 'down' };
  expect(told([failed, failed, { kind: 'joined', peers: 3 }], 60_000)).toBe(3);
});
