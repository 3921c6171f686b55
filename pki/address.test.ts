import { describe, expect, test } from 'vitest';
import { parseManagerAddress } from './address.ts';

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
  ])('refuses %j and says why', (text, problem) => {
    expect(() => parseManagerAddress(text)).toThrow(
      expect.objectContaining({ code: 'bad-address', message: expect.stringContaining(problem) }),
    );
    expect(() => parseManagerAddress(text)).toThrow(JSON.stringify(text.trim()));
  });
});
