import { HEADER_BYTES, RCODE } from '#netd/dns/codes.ts';
import { DatagramSocket, sendRoom } from '#netd/dns/datagrams.ts';
import { parseQuery } from '#netd/dns/query.ts';
import { writeAddresses, writeRefused } from '#netd/dns/reply.ts';

// A name server that knows one address for every name and is quicker than whoever asks it: node upstream.fixture.ts ADDRESS

const [, , address = ''] = process.argv;
const ADDRESSES = [Buffer.from([192, 0, 2, 1])];

const socket = DatagramSocket.listen(
  '/proc/self/ns/net',
  { address, port: 53 },
  {
    received: (bytes, start, end, peer) => {
      const query = parseQuery(bytes, start, end);
      if (query.kind === 'ignored') return;
      const room = sendRoom(512);
      const length =
        query.kind === 'refused'
          ? writeRefused(room, { bytes, start }, RCODE.FORMERR)
          : writeAddresses(room, { bytes, start, questionEnd: query.questionEnd }, 1, ADDRESSES, () => 0);
      socket.send(room, Math.max(HEADER_BYTES, length), peer);
    },
    failed: () => {},
  },
);
process.stdout.write('ready\n');
