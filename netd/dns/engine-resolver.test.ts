import { expect, it } from 'vitest';
import { portsAt } from './engine-resolver.ts';

const HEAD = '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const line = (local: string, state: string) =>
  `  10: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 4242 2`;

it.each([
  ['sockets of the address', [line('0B00007F:9C40', '07'), line('0B00007F:0400', '07')], [40000, 1024]],
  ['not those of another address', [line('0100007F:9C40', '07'), line('00000000:9C41', '07')], []],
  ['not those in another state', [line('0B00007F:9C40', '01')], []],
  ['not what a program in the container has at port 53', [line('0B00007F:0035', '07')], []],
])('finds %s', (_, lines, expected) => {
  expect(portsAt([HEAD, ...lines, ''].join('\n'), '07')).toEqual(expected);
});
