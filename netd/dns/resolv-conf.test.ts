import { describe, expect, it } from 'vitest';
import { isSystemdStub, parseResolvConf } from './resolv-conf.ts';

describe('a resolv.conf', () => {
  it.each<[string, string, Partial<ReturnType<typeof parseResolvConf>>]>([
    ['empty', '', { servers: [], search: [], ndotsExplicit: false }],
    [
      'usual',
      'nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch a.example b.example\n',
      { servers: ['10.0.0.1', '10.0.0.2'], search: ['a.example', 'b.example'] },
    ],
    ['tabs, spaces and carriage returns', '\tnameserver\t 10.0.0.1 \r\n', { servers: ['10.0.0.1'] }],
    ['comments', '# nameserver 1.1.1.1\n; x\nnameserver 10.0.0.1 # ours\n', { servers: ['10.0.0.1'] }],
    ['the last search counts', 'search a\ndomain b\n', { search: ['b'] }],
    ['ndots', 'options timeout:1 ndots:5\n', { ndotsExplicit: true }],
    ['other options', 'options rotate edns0\n', { ndotsExplicit: false }],
    [
      'IPv6, with a scope',
      'nameserver fe80::1%eth0\nnameserver 2001:db8::1\n',
      { servers: ['fe80::1%eth0', '2001:db8::1'] },
    ],
    [
      'no addresses',
      'nameserver dns.example\nnameserver 10.0.0\nnameserver\nnameserver 10.0.0.1%eth0\n',
      { servers: [] },
    ],
    ['more than anybody reads', 'nameserver 10.0.0.1\n'.repeat(100), { servers: Array(16).fill('10.0.0.1') }],
  ])('%s', (_, text, expected) => {
    expect(parseResolvConf(text)).toMatchObject(expected);
  });

  it.each<[string, boolean]>([
    ['nameserver 127.0.0.53\n', true],
    ['nameserver 127.0.0.53\nnameserver 10.0.0.1\n', false],
    ['nameserver 127.0.0.1\n', false],
    ['', false],
  ])('%j names only the stub: %s', (text, isStub) => {
    expect(isSystemdStub(parseResolvConf(text))).toBe(isStub);
  });
});
