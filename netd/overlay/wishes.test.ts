import { expect, test } from 'vitest';
import type { DesiredAttachment, DesiredNetwork, DesiredNetworks } from '../desired.ts';
import { Wishes } from './wishes.ts';

const NETWORK: DesiredNetwork = {
  id: 'net1',
  name: 'app',
  subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 }],
  underlayMtu: undefined,
  internal: false,
  attachable: true,
  ingress: false,
  encrypted: false,
  loadBalancerAddress: '10.0.1.4/24',
};
const OTHER: DesiredNetwork = { ...NETWORK, id: 'net2', name: 'other' };

function attachment(networkId: string, state: DesiredAttachment['binding']['state'] = 'pending'): DesiredAttachment {
  const names = { ingressPorts: [], aliases: [], taskAliases: [] };
  const row = { name: `web.1.${networkId}`, service: undefined, virtualIp: undefined, ...names };
  return { taskId: 't', networkId, address: '10.0.1.5/24', mac: undefined, binding: { state, row } };
}

const BASE: DesiredNetworks = {
  vtep: '192.168.50.1',
  dataPathPort: 4789,
  networks: [NETWORK, OTHER],
  attachments: [attachment('net1')],
};

test.each<[string, Partial<DesiredNetworks>, readonly string[] | 'all']>([
  ['the same again', {}, []],
  ['a task that runs now', { attachments: [attachment('net1', 'active')] }, []],
  ['one more task on a network in use', { attachments: [attachment('net1'), attachment('net1')] }, []],
  ['a copy of everything', structuredClone(BASE), []],
  ['the first task of a network', { attachments: [attachment('net1'), attachment('net2')] }, ['net2']],
  ['no task any more', { attachments: [] }, ['net1']],
  ['another address of the node', { networks: [{ ...NETWORK, loadBalancerAddress: undefined }, OTHER] }, ['net1']],
  ['one more network', { networks: [NETWORK, OTHER, { ...NETWORK, id: 'net3' }] }, ['net3']],
  ['a network less, which nothing is on', { networks: [NETWORK] }, []],
  ['another VTEP', { vtep: '192.168.50.9' }, 'all'],
  ['another port', { dataPathPort: 4790 }, 'all'],
])('a wish says which networks are wanted otherwise: %s', (_, change, expected) => {
  const wishes = new Wishes(() => []);
  expect(wishes.set(BASE)).toBe('all');
  const changed = wishes.set({ ...BASE, ...change });
  expect(changed === 'all' ? changed : [...changed]).toEqual(expected);
});

test('a network that was forgotten is news when it is wanted again', () => {
  const wishes = new Wishes(() => []);
  wishes.set(BASE);
  wishes.set({ ...BASE, networks: [OTHER], attachments: [] });
  wishes.forget('net1');
  expect(wishes.set({ ...BASE, attachments: [] })).toEqual(new Set(['net1']));
});
