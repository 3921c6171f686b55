import { once } from 'node:events';
import { connect } from 'node:net';

// Prints, as JSON, how many milliseconds each of COUNT connections took, one after the other, until a byte had come back
// through it: node connect.fixture.ts ADDRESS PORT COUNT

const [, , host = '', port = '', count = ''] = process.argv;
const times: number[] = [];
for (let i = 0; i < Number(count); i++) {
  const startedMs = performance.now();
  const socket = connect({ host, port: Number(port), noDelay: true });
  socket.write('x');
  await once(socket, 'data');
  times.push(performance.now() - startedMs);
  // Reset, so that no thousand connections wait for their end.
  socket.resetAndDestroy();
}
process.stdout.write(JSON.stringify(times));
