import { describe, expect, test } from 'vitest';
import { formatHostPort, parseHostPort, parseManagerAddress } from './address.ts';

describe('parseManagerAddress', () => {
  test.each([
    ['10.0.0.1', { host: '10.0.0.1', port: 2377, text: '10.0.0.1:2377' }],
    [' 10.0.0.1:4000 ', { host: '10.0.0.1', port: 4000, text: '10.0.0.1:4000' }],
    ['manager-1.example.org', { host: 'manager-1.example.org', port: 2377, text: 'manager-1.example.org:2377' }],
    ['stack_manager:1', { host: 'stack_manager', port: 1, text: 'stack_manager:1' }],
    ['[fd00::1]', { host: 'fd00::1', port: 2377, text: '[fd00::1]:2377' }],
    ['[::ffff:10.0.0.1]:65535', { host: '::ffff:10.0.0.1', port: 65535, text: '[::ffff:10.0.0.1]:65535' }],
  ])('reads %j', (text, expected) => {
    expect(parseManagerAddress(text)).toEqual(expected);
  });

  test.each([
    ['', 'it is empty'],
    ['tcp://10.0.0.1:2377', 'it has a scheme'],
    ['10.0.0.1,10.0.0.2', 'it holds a comma'],
    ['fd00::1', 'an IPv6 address must be in brackets, as in [fd00::1]:2377'],
    ['[fd00::1', 'it is not HOST'],
    ['[10.0.0.1]:2377', 'not an IPv6 address'],
    ['[]:2377', 'not an IPv6 address'],
    [':2377', 'it has no host'],
    ['10.0.0.1:', 'its port must be'],
    ['10.0.0.1:0', 'its port must be'],
    ['10.0.0.1:65536', 'its port must be'],
    ['10.0.0.1:2377/path', 'its port must be'],
    ['10.0.0.256', 'looks like an IPv4 address and is not one'],
    ['10.0.0', 'looks like an IPv4 address and is not one'],
    ['a b', 'neither an IP address nor a host name'],
    ['-x', 'neither an IP address nor a host name'],
    ['a:b:c', 'its port must be'],
    ['[fe80::1%eth0]:2377', 'an IPv6 address with a zone'],
  ])('refuses %j and says why', (text, problem) => {
    expect(() => parseManagerAddress(text)).toThrow(
      expect.objectContaining({ code: 'bad-address', message: expect.stringContaining(problem) }),
    );
    expect(() => parseManagerAddress(text)).toThrow(JSON.stringify(text.trim()));
  });
});

describe('parseHostPort', () => {
  test.each<[string, number | undefined, string, number]>([
    ['10.0.0.5:2377', undefined, '10.0.0.5', 2377],
    ['10.0.0.5', 2377, '10.0.0.5', 2377],
    ['10.0.0.5', 0, '10.0.0.5', 0],
    ['manager-1.example.org:4242', undefined, 'manager-1.example.org', 4242],
    ['[fd00::5]:2377', undefined, 'fd00::5', 2377],
    ['[fd00::5]', 2377, 'fd00::5', 2377],
    ['fd00::5', 2377, 'fd00::5', 2377],
    ['[fe80::1%eth0]:1', undefined, 'fe80::1%eth0', 1],
    ['fe80::1%eth0', 1, 'fe80::1%eth0', 1],
    ['eth0', 2377, 'eth0', 2377],
    ['eth0.10', 2377, 'eth0.10', 2377],
    ['h:65535', undefined, 'h', 65_535],
  ])('reads %s', (text, defaultPort, host, port) => {
    expect(parseHostPort(text, defaultPort)).toEqual({ host, port });
  });

  test.each<[string, string]>([
    ['', 'it is empty'],
    [':2377', 'it has no host'],
    ['10.0.0.5', 'the port is missing'],
    ['fd00::5', 'the port is missing'],
    ['10.0.0.5:', 'its port must be a number from 1 to 65535'],
    ['10.0.0.5:0', 'its port must be a number from 1 to 65535'],
    ['10.0.0.5:65536', 'its port must be a number from 1 to 65535'],
    ['10.0.0.5:tcp', 'its port must be a number from 1 to 65535'],
    ['10.0.0.5:1e3', 'its port must be a number from 1 to 65535'],
    ['10.0.0.256:1', 'looks like an IPv4 address and is not one'],
    ['[10.0.0.5]:1', 'what stands in the brackets is not an IPv6 address'],
    ['[fe80::1%]:1', 'what stands in the brackets is not an IPv6 address'],
    ['[1:2:3]:1', 'what stands in the brackets is not an IPv6 address'],
    ['[fd00::5]x', 'it is not HOST, HOST:PORT or [IPv6]:PORT'],
    ['tcp://10.0.0.5:2377', 'it has a scheme'],
    ['a b:1', 'neither an IP address nor a host name'],
    ['-x:1', 'neither an IP address nor a host name'],
  ])('refuses %j, says why and what is allowed', (text, problem) => {
    expect(() => parseHostPort(text)).toThrow(
      expect.objectContaining({
        code: 'bad-address',
        message: expect.stringContaining(problem),
        mend: expect.stringContaining('[fd00::5]:2377'),
      }),
    );
    expect(() => parseHostPort(text)).toThrow(`${JSON.stringify(text)}: `);
  });
});

test.each(['10.0.0.5:2377', '[fd00::5]:2377', 'manager:1'])('formats %s back', (text) => {
  expect(formatHostPort(parseHostPort(text))).toBe(text);
});
