import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#base/log.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import type { DesiredNetworks } from '../desired.ts';
import type { EndpointWanted, NetworkDriver } from './driver.ts';
import { createOverlayDriver, type SwarmNetworkName } from './overlay-driver.ts';

const ENGINE_NETWORK = 'a'.repeat(64);
const ENDPOINT = 'b'.repeat(64);
const row = { name: 'web', service: undefined, virtualIp: undefined, ingressPorts: [], aliases: [], taskAliases: [] };
const wish: DesiredNetworks = {
  vtep: '192.0.2.1',
  dataPathPort: 4789,
  networks: [
    {
      id: 'net1',
      name: 'app',
      subnets: [],
      underlayMtu: undefined,
      internal: false,
      attachable: true,
      ingress: false,
      encrypted: false,
      loadBalancerAddress: undefined,
    },
  ],
  attachments: [
    {
      taskId: 'task1',
      networkId: 'net1',
      address: '10.0.1.5/24',
      mac: '02:42:aa:aa:aa:aa',
      binding: { state: 'pending', row },
    },
  ],
};

let clock: VirtualClock;
let desired: DesiredNetworks | undefined;
let name: SwarmNetworkName;
let made: object[];
let detached: string[];
let changes: number;
let driver: NetworkDriver;

beforeEach(() => {
  clock = new VirtualClock();
  desired = wish;
  name = { kind: 'id', id: 'net1', internal: false };
  made = [];
  detached = [];
  changes = 0;
  driver = createOverlayDriver({
    overlays: {
      createEndpoint: async (endpoint) => {
        made.push(endpoint);
        return { address: endpoint.address, mac: endpoint.mac ?? '02:42:0a:00:01:05' };
      },
      joinEndpoint: async () => ({ srcName: 'ndc1', dstPrefix: 'eth', staticRoutes: [] }),
      leaveEndpoint: async () => {
        throw new Error('the namespace is gone');
      },
      deleteEndpoint: async () => {},
    },
    agent: {
      networkOf: async () => name,
      attach: async (network) => ({
        networkId: 'net1',
        address: `10.0.1.9/24`,
        mac: network === 'app' ? undefined : '',
      }),
      detach: (id) => detached.push(id),
    },
    desired: () => desired,
    clock,
    onChange: () => changes++,
    log: silentLogger,
  });
});

const endpoint = (more: Partial<EndpointWanted> = {}): EndpointWanted => ({
  engineNetworkId: ENGINE_NETWORK,
  endpointId: ENDPOINT,
  address: '',
  mac: '',
  options: new Map(),
  ...more,
});
const ofTask = (id: string) => endpoint({ options: new Map([['netd.task', id]]) });

describe('an endpoint', () => {
  it.each<SwarmNetworkName>([
    { kind: 'id', id: 'net1', internal: false },
    { kind: 'name', name: 'app', internal: false },
  ])('of a task has the place the managers gave it, on a network known by its $kind', async (known) => {
    name = known;
    expect(await driver.createEndpoint(ofTask('task1'))).toEqual({ address: '10.0.1.5/24', mac: '02:42:aa:aa:aa:aa' });
    expect(made).toEqual([
      { networkId: 'net1', address: '10.0.1.5/24', mac: '02:42:aa:aa:aa:aa', endpointId: ENDPOINT },
    ]);
  });

  it('of a task that is not here is refused', async () => {
    await expect(driver.createEndpoint(ofTask('task9'))).rejects.toThrow('have given task task9 no address');
  });

  it('waits for the managers after a start of netd, and not without end', async () => {
    desired = undefined;
    const early = driver.createEndpoint(ofTask('task1'));
    await new Promise(setImmediate);
    desired = wish;
    await clock.advance(100);
    expect(await early).toMatchObject({ address: '10.0.1.5/24' });
    desired = undefined;
    const never = driver.joinEndpoint(ENDPOINT, '/ns/a');
    never.catch(() => {});
    await clock.advance(11_000);
    await expect(never).rejects.toThrow('no manager has told this node of its networks yet');
  });

  it('of another container gets a place of its own, and gives it back', async () => {
    name = { kind: 'name', name: 'app', internal: false };
    expect(await driver.createEndpoint(endpoint())).toMatchObject({ address: '10.0.1.9/24' });
    await driver.deleteEndpoint(ENDPOINT);
    expect(detached).toEqual([ENDPOINT]);
  });

  it('has the hardware address the user has chosen', async () => {
    expect(await driver.createEndpoint(endpoint({ mac: '02:42:0a:63:00:77' }))).toMatchObject({
      mac: '02:42:0a:63:00:77',
    });
  });

  it.each([
    ['a task', ofTask('task1')],
    ['another container', endpoint()],
  ])('of %s on an internal network is refused where the engine would give it a way out', async (_, wanted) => {
    const [network] = wish.networks;
    if (network === undefined) throw new Error('unreachable: there is one');
    desired = { ...wish, networks: [{ ...network, internal: true }] };
    await expect(driver.createEndpoint(wanted)).rejects.toThrow('network app is internal in the swarm');
    expect(made).toEqual([]);
    expect(detached).toEqual([ENDPOINT]);
    name = { kind: 'id', id: 'net1', internal: true };
    expect(await driver.createEndpoint(wanted)).toMatchObject({ address: expect.any(String) });
  });

  it('cannot have an address the user has chosen', async () => {
    await expect(driver.createEndpoint(endpoint({ address: '10.0.1.77/24' }))).rejects.toThrow('given by the managers');
  });

  it('may leave though the kernel has trouble: the container ends all the same', async () => {
    await driver.leaveEndpoint(ENDPOINT);
    expect(changes).toBe(1);
  });
});

describe('a network of the engine', () => {
  const network = { engineId: ENGINE_NETWORK, options: new Map([['netd.network', 'net1']]), pools: [] };

  it('needs nothing made', async () => {
    await expect(driver.createNetwork(network)).resolves.toBeUndefined();
    await expect(driver.deleteNetwork(ENGINE_NETWORK)).resolves.toBeUndefined();
  });

  it('with addresses of the engine is refused', async () => {
    await expect(driver.createNetwork({ ...network, pools: ['172.18.0.0/16'] })).rejects.toThrow(
      expect.objectContaining({
        message: 'addresses of a netd network come from the swarm, not from 172.18.0.0/16',
        mend: expect.stringContaining('--ipam-driver null'),
      }),
    );
  });

  it('with options nobody knows is refused', async () => {
    await expect(driver.createNetwork({ ...network, options: new Map([['mtu', '9000']]) })).rejects.toThrow(
      'netd does not know the network option mtu',
    );
  });
});
