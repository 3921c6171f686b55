import { expect, it } from 'vitest';
import type { ContainerResolver, DesiredNetwork, DesiredNetworks } from './desired.ts';
import { dnsContainers } from './dns-containers.ts';

const network = (id: string, internal = false): DesiredNetwork => ({
  id,
  name: `${id}-name`,
  subnets: [],
  underlayMtu: undefined,
  internal,
  attachable: false,
  ingress: false,
  encrypted: false,
  loadBalancerAddress: undefined,
});
const wish = (networks: readonly DesiredNetwork[], resolver?: ContainerResolver): DesiredNetworks => ({
  vtep: '192.0.2.1',
  dataPathPort: 4789,
  networks,
  attachments: [
    {
      taskId: 't1',
      networkId: 'n1',
      address: '10.0.1.5/24',
      mac: undefined,
      binding: {
        state: 'active',
        row: { name: 'web', service: undefined, virtualIp: undefined, ingressPorts: [], aliases: [], taskAliases: [] },
      },
      ...(resolver && { resolver }),
    },
  ],
});
const endpoint = (networkId: string, sandboxKey: string | undefined, address = '10.0.1.5/24') => ({
  networkId,
  endpointId: `e-${networkId}`,
  address,
  mac: '02:42:0a:00:01:05',
  sandboxKey,
});

it('is one resolver for all networks of a container', () => {
  const endpoints = [endpoint('n1', '/ns/a'), endpoint('n2', '/ns/a', '10.0.2.5/24'), endpoint('n1', undefined)];
  expect(dnsContainers(endpoints, wish([network('n1'), network('n2', true)]))).toEqual([
    {
      sandboxKey: '/ns/a',
      networks: [
        { id: 'n1', name: 'n1-name', internal: false, ingress: false, gatewayPriority: 0 },
        { id: 'n2', name: 'n2-name', internal: true, ingress: false, gatewayPriority: 0 },
      ],
      servers: { kind: 'host' },
      options: undefined,
      internalOnly: false,
    },
  ]);
});

it.each([
  ['internal networks alone', undefined, true],
  ['another way out', { servers: [], options: [], leadsOutside: true }, false],
])('knows whether the container may ask outside: %s', (_, resolver, internalOnly) => {
  const [container] = dnsContainers([endpoint('n1', '/ns/a')], wish([network('n1', true)], resolver));
  expect(container?.internalOnly).toBe(internalOnly);
});

it('has the servers and options the container was given', () => {
  const resolver = { servers: ['192.0.2.53'], options: ['ndots:2'], leadsOutside: false };
  expect(dnsContainers([endpoint('n1', '/ns/a')], wish([network('n1')], resolver))).toMatchObject([
    { servers: { kind: 'explicit', addresses: ['192.0.2.53'] }, options: ['ndots:2'] },
  ]);
});

it('has the resolver of the engine asked where that knows names', () => {
  const resolver = { servers: [], options: [], leadsOutside: false, engineNames: true };
  expect(dnsContainers([endpoint('n1', '/ns/a')], wish([network('n1')], resolver))).toMatchObject([
    { engineNames: true },
  ]);
});

it('says nothing of a container on networks nobody wants', () => {
  expect(dnsContainers([endpoint('n9', '/ns/a')], wish([network('n1')]))).toEqual([]);
});

it('asks the networks in the order of the priorities the user gave them', () => {
  const { attachments, ...rest } = wish([network('n1')]);
  const preferred = { ...rest, attachments: attachments.map((one) => ({ ...one, gatewayPriority: 5 })) };
  expect(dnsContainers([endpoint('n1', '/ns/a')], preferred)).toMatchObject([{ networks: [{ gatewayPriority: 5 }] }]);
});
