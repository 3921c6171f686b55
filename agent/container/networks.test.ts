import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { NetworkAttachmentSchema } from '#proto/gen/swarmkit/types_pb.js';
import { networkMismatch } from './network-match.ts';
import { networkUse } from './networks.ts';
import { planNetworks } from './task-networks.ts';

type Init = MessageInitShape<typeof NetworkAttachmentSchema>;
const attachment = (init: Init) => create(NetworkAttachmentSchema, init);

const predefined = (name: string): Init => ({
  network: {
    id: `id-${name}`,
    spec: { annotations: { name, labels: { 'com.docker.swarm.predefined': 'true' } } },
    driverState: { name },
  },
});
const macvlan: Init = {
  network: {
    id: 'net1',
    spec: {
      annotations: { name: 'lan', labels: { stack: 'x' } },
      attachable: true,
      ipv6Enabled: true,
      configFrom: { case: 'network', value: 'lan-config' },
    },
    driverState: { name: 'macvlan' },
  },
};
const plugin: Init = {
  network: {
    id: 'net2',
    spec: { annotations: { name: 'fabric', labels: { a: 'b' } }, internal: true, ipv6Enabled: true },
    driverState: { name: 'vendor/fabric:1', options: { zone: 'east' } },
    ipam: {
      driver: { name: 'default', options: { serial: 'true' } },
      configs: [{ subnet: '10.5.0.0/16', range: '10.5.1.0/24', gateway: '10.5.0.1' }],
    },
  },
  addresses: ['10.5.1.7/16', 'fd00::7/64'],
  driverAttachmentOpts: { qos: 'gold' },
};
const overlay: Init = {
  network: { id: 'net3', spec: { annotations: { name: 'app' } }, driverState: { name: 'overlay' } },
  addresses: ['10.0.1.7/24'],
};
const ingress: Init = {
  network: { id: 'net4', spec: { annotations: { name: 'ingress' }, ingress: true }, driverState: { name: 'overlay' } },
};
// Its presence encrypts: Docker does not look at the value.
const encrypted: Init = {
  network: {
    id: 'net5',
    spec: { annotations: { name: 'vault' } },
    driverState: { name: 'overlay', options: { encrypted: 'false' } },
  },
};

describe('the kind of a network', () => {
  it.each<[string, Init, object]>([
    ['bridge', predefined('bridge'), { kind: 'predefined', name: 'bridge', endpoint: {} }],
    ['host', predefined('host'), { kind: 'predefined', name: 'host' }],
    ['a reserved name is predefined in any case', named('none'), { kind: 'predefined', name: 'none' }],
    [
      'a name every object of JavaScript has is a name',
      named('constructor'),
      { kind: 'node-local', name: 'constructor' },
    ],
    ['default is the bridge', named('default'), { kind: 'predefined', name: 'bridge' }],
    ['macvlan from a configuration', macvlan, { kind: 'node-local', name: 'lan' }],
    ['a plugin', plugin, { kind: 'plugin', name: 'fabric' }],
    ['an overlay', overlay, { kind: 'overlay', name: 'app', networkId: 'net3' }],
  ])('%s', (_, init, expected) => {
    expect(networkUse(attachment(init), 'task1')).toMatchObject(expected);
  });

  it.each<[string, Init, string]>([
    ['no network', {}, 'network attachment without a network: ""'],
    ['no name', { network: { id: 'x' } }, 'network attachment without a network: "x"'],
    ['the routing mesh', ingress, 'ports published through the routing mesh are not supported yet'],
    ['encryption', encrypted, 'encrypted overlay networks are not supported yet: vault'],
    ['no driver', { network: { spec: { annotations: { name: 'n' } } } }, 'network "n" comes without a driver'],
  ])('is refused with %s', (_, init, message) => {
    expect(() => networkUse(attachment(init), 'task1')).toThrow(
      expect.objectContaining({ code: 'bad-task-spec', message }),
    );
  });

  function named(name: string): Init {
    return { network: { id: 'x', spec: { annotations: { name } }, driverState: { name: 'bridge' } } };
  }
});

describe('the network to create', () => {
  it('has nothing but its source when it comes from a configuration', () => {
    expect(networkUse(attachment(macvlan), 'task1')).toMatchObject({
      create: {
        Name: 'lan',
        Driver: 'macvlan',
        CheckDuplicate: true,
        Attachable: true,
        ConfigFrom: { Network: 'lan-config' },
      },
      endpoint: {},
    });
    const use = networkUse(attachment(macvlan), 'task1');
    // The engine refuses all of these beside a configuration network.
    if (use.kind !== 'node-local') throw new Error(use.kind);
    for (const member of ['Labels', 'Options', 'IPAM', 'EnableIPv6']) expect(use.create).not.toHaveProperty(member);
  });

  it("has the manager's options, addresses and labels, and our mark, for a plugin", () => {
    expect(networkUse(attachment(plugin), 'task1')).toEqual({
      kind: 'plugin',
      name: 'fabric',
      create: {
        Name: 'fabric',
        Driver: 'vendor/fabric:1',
        CheckDuplicate: true,
        Internal: true,
        EnableIPv6: true,
        IPAM: {
          Driver: 'default',
          Options: { serial: 'true' },
          Config: [{ Subnet: '10.5.0.0/16', IPRange: '10.5.1.0/24', Gateway: '10.5.0.1' }],
        },
        Options: { zone: 'east' },
        Labels: { a: 'b', 'netd.network.id': 'net2' },
      },
      endpoint: { IPAMConfig: { IPv4Address: '10.5.1.7', IPv6Address: 'fd00::7' }, DriverOpts: { qos: 'gold' } },
    });
  });
});

describe('the networks of a container', () => {
  it('are the default bridge when the task has none', () => {
    const none = { create: [], mode: 'default', endpoint: undefined, connect: [], overlays: [] };
    expect(planNetworks([], 'task1')).toEqual(none);
  });

  it('are the first at creation, the others connected after', () => {
    const plan = planNetworks([macvlan, predefined('bridge'), plugin].map(attachment), 'task1');
    expect(plan.create.map(({ Name }) => Name)).toEqual(['lan', 'fabric']);
    expect(plan).toMatchObject({
      mode: 'lan',
      endpoint: {},
      connect: [
        { network: 'bridge', endpoint: {} },
        { network: 'fabric', endpoint: { DriverOpts: { qos: 'gold' } } },
      ],
    });
  });

  it('leave an overlay to the driver of netd: no address is asked of the engine', () => {
    const plan = planNetworks([attachment({ ...overlay, driverAttachmentOpts: { qos: 'gold' } })], 'task1');
    expect(plan).toEqual({
      create: [
        {
          Name: 'app',
          Driver: 'netd',
          CheckDuplicate: true,
          IPAM: { Driver: 'null', Config: [] },
          Options: { 'netd.network': 'net3' },
          Labels: { 'netd.network.id': 'net3' },
        },
      ],
      mode: 'app',
      endpoint: { DriverOpts: { qos: 'gold', 'netd.task': 'task1' } },
      connect: [],
      overlays: ['net3'],
    });
  });
});

describe('an engine network that is there already', () => {
  const lan = { Name: 'lan', Driver: 'macvlan', ConfigFrom: { Network: 'lan-config' } };
  const fabric = { Name: 'fabric', Driver: 'vendor', Labels: { 'netd.network.id': 'net2' } };

  it.each([
    ['the same source', lan, { Driver: 'macvlan', ConfigFrom: { Network: 'lan-config' } }, undefined],
    ['the same mark', fabric, { Driver: 'vendor', ConfigFrom: { Network: '' }, Labels: fabric.Labels }, undefined],
    ['another driver', lan, { Driver: 'bridge' }, 'it has the driver bridge, wanted is macvlan'],
    ['no source', lan, { Driver: 'macvlan' }, 'it is made from the configuration network "", wanted is "lan-config"'],
    ["a stranger's", fabric, { Driver: 'vendor' }, 'it was not made by netd'],
    ["an operator's with the driver of netd", { ...fabric, Driver: 'netd' }, { Driver: 'netd' }, undefined],
    [
      "an operator's that leads out of an internal one",
      { ...fabric, Driver: 'netd', Internal: true },
      { Driver: 'netd', Internal: false },
      'it was made without --internal',
    ],
    [
      'an earlier one of that name',
      fabric,
      { Driver: 'vendor', Labels: { 'netd.network.id': 'net1' } },
      'it stands for another swarm network, net1',
    ],
  ])('with %s', (_, wanted, observed, expected) => {
    expect(networkMismatch(wanted, observed)).toBe(expected);
  });
});
