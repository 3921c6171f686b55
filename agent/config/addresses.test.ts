import { describe, expect, it } from 'vitest';
import { formatHostPort, parseHostPort } from './addresses.ts';

describe('parseHostPort', () => {
  it.each<[string, number | undefined, string, number]>([
    ['10.0.0.5:2377', undefined, '10.0.0.5', 2377],
    ['10.0.0.5', 2377, '10.0.0.5', 2377],
    ['manager-1.example.org:4242', undefined, 'manager-1.example.org', 4242],
    ['[fd00::5]:2377', undefined, 'fd00::5', 2377],
    ['[fd00::5]', 2377, 'fd00::5', 2377],
    ['fd00::5', 2377, 'fd00::5', 2377],
    ['[fe80::1%eth0]:1', undefined, 'fe80::1%eth0', 1],
    ['eth0', 2377, 'eth0', 2377],
    ['h:65535', undefined, 'h', 65_535],
  ])('%s', (text, defaultPort, host, port) => {
    expect(parseHostPort(text, defaultPort)).toEqual({ host, port });
  });

  it.each<[string, RegExp]>([
    ['', /neither a name nor an address/],
    [':2377', /neither a name nor an address/],
    ['10.0.0.5', /port is missing/],
    ['10.0.0.5:', /1 to 65535/],
    ['10.0.0.5:0', /1 to 65535/],
    ['10.0.0.5:65536', /1 to 65535/],
    ['10.0.0.5:tcp', /1 to 65535/],
    ['10.0.0.5:1e3', /1 to 65535/],
    ['[10.0.0.5]:1', /brackets are for IPv6/],
    ['[fd00::5]x', /neither a name nor an address/],
    ['tcp://10.0.0.5:2377', /neither a name nor an address/],
    ['a b:1', /neither a name nor an address/],
    ['-x:1', /neither a name nor an address/],
  ])('refuses %s', (text, message) => {
    expect(() => parseHostPort(text)).toThrow(message);
  });
});

it.each(['10.0.0.5:2377', '[fd00::5]:2377', 'manager:1'])('formats %s back', (text) => {
  expect(formatHostPort(parseHostPort(text))).toBe(text);
});
