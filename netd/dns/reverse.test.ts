import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ipText } from '../gossip/wire/ip.ts';
import { reversedAddress, wireName } from './reverse.ts';

const NIBBLES = '5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f';

describe('a reverse name', () => {
  it.each<[string, string | undefined]>([
    ['5.1.0.10.in-addr.arpa', '10.0.1.5'],
    ['255.255.255.255.in-addr.arpa', '255.255.255.255'],
    ['1.2.in-addr.arpa', undefined],
    ['1.2.3.4.5.in-addr.arpa', undefined],
    ['256.0.0.10.in-addr.arpa', undefined],
    ['05.0.0.10.in-addr.arpa', undefined],
    ['x.0.0.10.in-addr.arpa', undefined],
    ['in-addr.arpa', undefined],
    ['5.1.0.10.in-addr.arpa.example', undefined],
    ['web', undefined],
    [`${NIBBLES}.ip6.arpa`, 'fd00::5'],
    [`${NIBBLES.slice(2)}.ip6.arpa`, undefined],
    [`${NIBBLES.replace('5', 'g')}.ip6.arpa`, undefined],
  ])('%s is of %s', (name, ip) => {
    expect(reversedAddress(name)).toBe(ip);
  });

  it('leads back to every address', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
        expect(reversedAddress(`${[...bytes].reverse().join('.')}.in-addr.arpa`)).toBe(ipText(bytes));
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const nibbles = [...Buffer.from(bytes).toString('hex')].reverse().join('.');
        expect(reversedAddress(`${nibbles}.ip6.arpa`)).toBe(ipText(bytes));
      }),
    );
  });
});

describe('a name as bytes', () => {
  it.each<[string, string | undefined]>([
    ['web.plain', '03776562 05706c61696e 00'],
    ['x', '0178 00'],
    ['', undefined],
    ['a..b', undefined],
    ['web.', undefined],
    ['y'.repeat(64), undefined],
    [Array(128).fill('a').join('.'), undefined],
  ])('%s', (name, hex) => {
    expect(wireName(name)?.toString('hex')).toBe(hex?.replaceAll(' ', ''));
  });

  it('may have labels of 63 bytes, and 255 in all', () => {
    expect(wireName('x'.repeat(63))).toHaveLength(65);
    const longest = [63, 63, 63, 61].map((length) => 'x'.repeat(length)).join('.');
    expect(wireName(longest)).toHaveLength(255);
    expect(wireName(`${longest}x`)).toBeUndefined();
  });
});
