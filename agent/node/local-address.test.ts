import { describe, expect, it } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { dataPathOf } from './data-path.ts';
import { type HostInterface, isLocal, localAddress } from './local-address.ts';

const HOST: readonly HostInterface[] = [
  { name: 'lo', addresses: ['127.0.0.1', '::1'] },
  { name: 'eth0', addresses: ['10.0.0.5', 'fd00::5', 'fe80::1'] },
  { name: 'eth1', addresses: ['fe80::2', '2001:db8::7'] },
  { name: 'bond0.7', addresses: ['192.168.3.5', '192.168.4.5'] },
  { name: 'veth9', addresses: ['169.254.1.1', 'fe80::9'] },
];
const ALL = 'eth0=10.0.0.5, eth0=fd00::5, eth1=2001:db8::7, bond0.7=192.168.3.5, bond0.7=192.168.4.5';

const told = (text: string, host = HOST): string => {
  try {
    return localAddress('--advertise-addr', text, host);
  } catch (error) {
    if (!(error instanceof NetdError)) throw error;
    return `${error.code}: ${error.message} | ${error.mend}`;
  }
};

describe('an address of this host', () => {
  it.each([
    ['an address', '10.0.0.5', '10.0.0.5'],
    ['an address with a port', '10.0.0.5:7946', '10.0.0.5'],
    ['an IPv6 address, however it is spelt', 'FD00:0:0::5', 'FD00:0:0::5'],
    ['an IPv6 address with a port', '[fd00::5]:2377', 'fd00::5'],
    ['an interface, by its IPv4 address', 'eth0', '10.0.0.5'],
    ['an interface with IPv6 alone', 'eth1', '2001:db8::7'],
    ['the host itself, for a swarm on one host', '127.0.0.1', '127.0.0.1'],
  ])('is told by %s', (_, text, expected) => {
    expect(told(text)).toBe(expected);
  });

  it.each([
    [
      '10.0.0.6',
      `address-not-local: --advertise-addr 10.0.0.6 is not an address of this host | Give one of ${ALL}. Behind a router that translates addresses, add the outer one to this host first: ip address add 10.0.0.6/32 dev lo`,
    ],
    ['fd00::6', /ip address add fd00::6\/128 dev lo$/],
    [
      'eth7',
      `address-not-local: --advertise-addr eth7: this host has no interface of that name that is up | Give one of ${ALL}.`,
    ],
    [
      'bond0.7',
      'address-ambiguous: --advertise-addr bond0.7: that interface has several addresses | Give one of 192.168.3.5, 192.168.4.5.',
    ],
    ['veth9', /^address-not-local: --advertise-addr veth9: that interface has no address peers could reach/],
    ['0.0.0.0', /^address-not-local: --advertise-addr 0\.0\.0\.0: every node has that address/],
    ['[0::0]:2377', /^address-not-local: --advertise-addr 0::0: every node has that address/],
    ['a b', /^bad-address: /],
  ])('is not %s', (text, expected) => {
    expect(told(text)).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
  });

  it('names a dozen interfaces at most', () => {
    const many = Array.from({ length: 300 }, (_, i) => ({ name: `br${i}`, addresses: [`10.9.${i >> 8}.${i & 255}`] }));
    expect(told('10.0.0.6', many)).toMatch(/br11=10\.9\.0\.11 and 288 more\. Behind/);
    expect(told('10.0.0.6', [])).toContain('none of its interfaces has one now');
  });

  it('is recognised in every spelling', () => {
    expect(isLocal('2001:0DB8:0::7', HOST)).toBe(true);
    expect(isLocal('2001:db8::8', HOST)).toBe(false);
    expect(isLocal('', HOST)).toBe(false);
  });
});

describe('the data path', () => {
  const facts = { dataPathAddr: null, advertised: '10.0.0.5', interfaces: HOST, vxlanUdpPort: undefined };
  it('is the advertised address and the usual port unless told otherwise', () => {
    expect(dataPathOf(facts)).toEqual({ address: '10.0.0.5', port: 4789 });
    expect(dataPathOf({ ...facts, vxlanUdpPort: 0 })).toEqual({ address: '10.0.0.5', port: 4789 });
    expect(dataPathOf({ ...facts, dataPathAddr: 'eth1', vxlanUdpPort: 7789 })).toEqual({
      address: '2001:db8::7',
      port: 7789,
    });
  });

  it('has to be here', () => {
    expect(() => dataPathOf({ ...facts, dataPathAddr: '10.0.0.6' })).toThrow(
      '--data-path-addr 10.0.0.6 is not an address of this host',
    );
  });
});
