import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { DatagramSocket, sendAll, sendRoom } from './datagrams.ts';

const ADDRESS = '127.0.0.1';
const open: { close: () => unknown }[] = [];

afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** A socket towards `port` and what it is told, in order. */
function connected(port: number, onReceived: (text: string) => void = () => {}) {
  const told: string[] = [];
  let wake = () => {};
  const tell = (text: string) => {
    told.push(text);
    wake();
  };
  const socket = DatagramSocket.connect(
    undefined,
    { address: ADDRESS, port },
    {
      received: (bytes, start, end, _peer, cut) => {
        const text = `${bytes.toString('latin1', start, Math.min(end, start + 16))}${cut ? ' cut' : ''}`;
        tell(text);
        onReceived(text);
      },
      failed: (error) => tell(error.message),
    },
  );
  open.push(socket);
  return {
    socket,
    told,
    say: (text: string) => {
      const room = sendRoom(text.length);
      socket.send(room, room.out.write(text, room.at, 'latin1'), 0);
    },
    /** Resolves when that much was told. */
    heard: async (count: number) => {
      while (told.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return told;
    },
  };
}

/** Sends back what it is sent. */
async function echo(port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  socket.bind(port, ADDRESS);
  await once(socket, 'listening');
  open.push(socket);
  return socket;
}

test('more datagrams than one call takes come in order', async () => {
  const { port } = (await echo()).address();
  const { say, heard } = connected(port);
  // As many as the buffer of any socket takes.
  const sent = Array.from({ length: 150 }, (_, i) => `datagram ${i}`);
  for (const text of sent) say(text);
  sendAll();
  expect(await heard(sent.length)).toEqual(sent);
});

test('an ICMP answer is told, and does not end the socket', async () => {
  const server = await echo();
  const { port } = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  open.splice(open.indexOf(server), 1);

  const { say, heard } = connected(port);
  for (let times = 1; times <= 2; times++) {
    say('is anybody there');
    sendAll();
    expect((await heard(times)).at(-1)).toMatch(/ECONNREFUSED/);
  }
  await echo(port);
  say('and now');
  sendAll();
  expect((await heard(3)).at(-1)).toBe('and now');
});

test('a socket closed by what it is told hears no more', async () => {
  const { port } = (await echo()).address();
  const closing = connected(port, () => closing.socket.close());
  for (let i = 0; i < 10; i++) closing.say(`datagram ${i}`);
  sendAll();
  const other = connected(port);
  other.say('after all that');
  sendAll();
  await other.heard(1);
  expect(closing.told).toEqual(['datagram 0']);
});

test('a datagram longer than a slot is marked as cut', async () => {
  const { port } = (await echo()).address();
  const { say, heard } = connected(port);
  say('x'.repeat(4096));
  say('y'.repeat(4097));
  sendAll();
  expect(await heard(2)).toEqual(['x'.repeat(16), `${'y'.repeat(16)} cut`]);
});

test('the port is that of the socket', async () => {
  const server = createSocket('udp4');
  server.bind(0, ADDRESS);
  await once(server, 'listening');
  open.push(server);
  const { socket, say } = connected(server.address().port);
  say('who am I');
  const message = once(server, 'message');
  sendAll();
  const [, from] = (await message) as [Buffer, { port: number }];
  expect(socket.port).toBe(from.port);
});
