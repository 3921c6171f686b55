import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  EndpointSchema,
  type PortConfigSchema,
  PortConfig_Protocol as Protocol,
  PortConfig_PublishMode as PublishMode,
} from '#proto/gen/swarmkit/types_pb.js';
import { boundPorts, hostPorts, portBindings } from './ports.ts';

type Port = MessageInitShape<typeof PortConfigSchema>;
const bindings = (...ports: Port[]) => portBindings(hostPorts(create(EndpointSchema, { ports })));
const HOST = PublishMode.HOST;

describe('ports out', () => {
  it.each<[string, Port[], object]>([
    ['none', [], {}],
    ['ingress ports are not bound here', [{ targetPort: 80, publishedPort: 8080 }], {}],
    ['fixed', [{ targetPort: 80, publishedPort: 8080, publishMode: HOST }], { '80/tcp': [{ HostPort: '8080' }] }],
    ['chosen by the engine', [{ targetPort: 80, publishMode: HOST }], { '80/tcp': [{}] }],
    [
      'every protocol',
      [Protocol.TCP, Protocol.UDP, Protocol.SCTP].map((protocol) => ({ protocol, targetPort: 53, publishMode: HOST })),
      { '53/tcp': [{}], '53/udp': [{}], '53/sctp': [{}] },
    ],
    [
      'one container port twice',
      [
        { targetPort: 80, publishedPort: 1, publishMode: HOST },
        { targetPort: 80, publishedPort: 2, publishMode: HOST },
      ],
      { '80/tcp': [{ HostPort: '1' }, { HostPort: '2' }] },
    ],
    ['no port at all', [{ targetPort: 65_536, publishMode: HOST }], {}],
    ['a protocol of the future', [{ targetPort: 80, publishMode: HOST, protocol: 7 as Protocol }], {}],
  ])('%s', (_, ports, expected) => {
    expect(bindings(...ports)).toEqual(expected);
  });

  it('needs no endpoint', () => {
    expect(hostPorts(undefined)).toEqual([]);
  });
});

describe('ports back', () => {
  it('has an entry for each binding, and none for ports not bound', () => {
    const inspected = {
      '80/tcp': [
        { HostIp: '0.0.0.0', HostPort: '32768' },
        { HostIp: '::', HostPort: '32768' },
      ],
      '53/udp': [{ HostIp: '0.0.0.0', HostPort: '53' }],
      '132/sctp': [{ HostIp: '0.0.0.0', HostPort: '132' }],
      '9/tcp': null as never,
      '1/other': [{ HostIp: '', HostPort: '1' }],
    };
    expect(boundPorts(inspected)).toMatchObject([
      { publishMode: HOST, protocol: Protocol.TCP, targetPort: 80, publishedPort: 32_768, name: '' },
      { publishMode: HOST, protocol: Protocol.TCP, targetPort: 80, publishedPort: 32_768 },
      { publishMode: HOST, protocol: Protocol.UDP, targetPort: 53, publishedPort: 53 },
      { publishMode: HOST, protocol: Protocol.SCTP, targetPort: 132, publishedPort: 132 },
    ]);
  });

  it('is empty for a container that has stopped or is not there', () => {
    expect(boundPorts({})).toEqual([]);
    expect(boundPorts(undefined)).toEqual([]);
  });
});
