import { createServer } from 'node:net';

// Sends back what comes: node echo.fixture.ts ADDRESS PORT

const [, , address = '', port = ''] = process.argv;
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
});
server.listen(Number(port), address, () => process.stdout.write('ready\n'));
