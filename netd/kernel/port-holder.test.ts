import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { listeningInodes, portHolder } from './port-holder.ts';

/** Lines of a kernel 6.12: a listener on 0.0.0.0:7946, a connection to that port, and another listener. */
const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F0A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 48151 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F0A 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 62342 1 0000000000000000 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16233 1 0000000000000000 100 0 0 10 0
`;

it('finds listeners in a table of the kernel', () => {
  expect(listeningInodes(TABLE, 7946)).toEqual(['48151']);
  expect(listeningInodes(TABLE, 22)).toEqual(['16233']);
  expect(listeningInodes(TABLE, 0x1f0)).toEqual([]);
  expect(listeningInodes('', 7946)).toEqual([]);
});

it('names this process as the holder of its own ports, TCP and UDP', async () => {
  const self = `(process ${process.pid})`;
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  expect(await portHolder(typeof bound === 'object' ? (bound?.port ?? 0) : 0)).toContain(self);
  server.close();
  const socket = createSocket('udp6').bind(0, '::1');
  await once(socket, 'listening');
  const { port } = socket.address();
  expect(await portHolder(port)).toContain(self);
  socket.close();
  await once(socket, 'close');
  expect(await portHolder(port)).toBeUndefined();
});
