import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { parseManagerAddress } from './address.ts';
import { probe } from './probe.ts';

const probed = async (answer: (socket: Socket) => void) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound ? bound.port : 0);
    });
  });
  try {
    return await probe(parseManagerAddress(`127.0.0.1:${port}`), 'swarm-ca', AbortSignal.timeout(5000));
  } finally {
    server.close();
  }
};
/** Record type 21 (alert), TLS 1.2, two bytes: fatal, and which (RFC 5246 §7.2). */
const alert = (which: number) => Buffer.from([21, 3, 3, 0, 2, 2, which]);

describe('probe', () => {
  it.each<[string, (socket: Socket) => void, string]>([
    [
      'an HTTP server',
      (s) => s.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      'it does not speak TLS: it answers with something else',
    ],
    ['an SSH server', (s) => s.write('SSH-2.0-x\r\n'), 'it does not speak TLS: it answers with something else'],
    [
      'one that wants another protocol',
      (s) => s.end(alert(120)),
      'it refuses the TLS handshake (tlsv1 alert no application protocol)',
    ],
    [
      'one that likes no cipher',
      (s) => s.end(alert(40)),
      'it refuses the TLS handshake (ssl/tls alert handshake failure)',
    ],
    [
      'one that hangs up',
      (s) => s.end(),
      'it does not speak TLS: Client network socket disconnected before secure TLS connection was established',
    ],
  ])('says in words what %s does instead of a handshake', async (_, answer, text) => {
    expect(await probed(answer)).toEqual({ kind: 'no-tls', text });
  });
});
