import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';

// port-forward.ts UNIX_SOCKET HOST PORT: hands every connection to the unix socket on to a TCP port of this network namespace.
const [socketPath = '', host = '', port] = process.argv.slice(2);
rmSync(socketPath, { force: true });
createServer({ allowHalfOpen: true }, (client) => {
  const target = connect({ host, port: Number(port), allowHalfOpen: true });
  client.pipe(target).pipe(client);
  client.on('error', () => target.destroy());
  target.on('error', () => client.destroy());
  client.on('close', () => target.destroy());
  target.on('close', () => client.destroy());
}).listen(socketPath);
