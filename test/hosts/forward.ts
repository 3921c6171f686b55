import { connect, createServer } from 'node:net';

// forward.ts ADDRESS PORT UNIX_SOCKET: hands every TCP connection on to a unix socket, until standard input ends.
// Says "ready" when it listens.
const [address, port, socketPath = ''] = process.argv.slice(2);
const server = createServer({ allowHalfOpen: true }, (client) => {
  const target = connect({ path: socketPath, allowHalfOpen: true });
  client.pipe(target).pipe(client);
  client.on('error', () => target.destroy());
  target.on('error', () => client.destroy());
  client.on('close', () => target.destroy());
  target.on('close', () => client.destroy());
});
server.listen(Number(port), address, () => console.log('ready'));
process.stdin.on('end', () => process.exit(0)).resume();
