import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { ContainerSpec_DNSConfigSchema } from '#proto/gen/swarmkit/types_pb.js';
import { dnsOptions, extraHosts } from './dns-hosts.ts';

it.each([
  ['10.0.0.1 name', ['name:10.0.0.1']],
  ['10.0.0.1 name alias other', ['name:10.0.0.1']],
  ['  10.0.0.1\tname  ', ['name:10.0.0.1']],
  ['::1 localhost6', ['localhost6:::1']],
  ['10.0.0.1', []],
  ['', []],
])('%j in the hosts file is %j', (line, expected) => {
  expect(extraHosts([line])).toEqual(expected);
});

it('carries DNS settings, and none when there are none', () => {
  expect(dnsOptions(undefined)).toEqual({});
  expect(dnsOptions(create(ContainerSpec_DNSConfigSchema))).toEqual({});
  const dns = create(ContainerSpec_DNSConfigSchema, { nameservers: ['1.1.1.1'], search: ['x'], options: ['ndots:2'] });
  expect(dnsOptions(dns)).toEqual({ Dns: ['1.1.1.1'], DnsSearch: ['x'], DnsOptions: ['ndots:2'] });
});
