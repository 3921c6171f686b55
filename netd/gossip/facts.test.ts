import { expect, test } from 'vitest';
import { tell } from './facts.ts';
import type { Fact } from './io.ts';

const address = { ip: '10.0.0.12', port: 7946 };

test.each<[Fact, string]>([
  [{ kind: 'peer', node: 'b7', address, state: 'up' }, 'info gossip peer joined node=b7 address=10.0.0.12:7946'],
  [{ kind: 'peer', node: 'b7', address, state: 'left' }, 'info gossip peer left node=b7 address=10.0.0.12:7946'],
  [{ kind: 'peer', node: 'b7', address, state: 'down' }, 'warn gossip peer failed node=b7 address=10.0.0.12:7946'],
  [
    { kind: 'conflict', node: 'b7', known: address, claimed: { ip: '2001:db8::1', port: 7946 } },
    'warn a gossip name is claimed by another address node=b7 known=10.0.0.12:7946 claimed=[2001:db8::1]:7946',
  ],
  [{ kind: 'joined', peers: 3 }, 'info joined the gossip cluster peers=3'],
  [
    { kind: 'unreachable', addresses: [address, address], reason: 'timed out' },
    'warn no gossip peer can be reached; will keep trying addresses=10.0.0.12:7946 10.0.0.12:7946 reason=timed out',
  ],
  [{ kind: 'dropped', what: 'row', reason: 'full' }, 'warn gossip dropped something what=row reason=full'],
])('%o', (fact, line) => {
  const { level, message, fields } = tell(fact);
  const said = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  expect([level, message, ...said].join(' ')).toBe(line);
});
