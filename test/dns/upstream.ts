import { once } from 'node:events';
import { type Answer, decode, encode, type Packet, type Question } from 'dns-packet';
import { FrameReader, frame } from '#netd/dns/frames.ts';
import { listenTcp, openUdp } from '#netd/kernel/ns-sockets.ts';

/** What a server does with every question. */
export type Manner = 'answers' | 'is silent' | 'refuses' | 'fails' | 'knows nothing';

/** A name server of the outside world, in a namespace of the test. */
export interface Upstream extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Questions that arrived, as `name TYPE udp|tcp`. */
  readonly asked: readonly string[];
  readonly behave: (manner: Manner) => void;
}

const TTL_SEC = 77;
/** More records than 512 bytes hold. */
const MANY = 60;

/** What the outside world knows; every other name does not exist. */
const RECORDS: Readonly<Record<string, readonly Answer[]>> = {
  'www.example A': [a('www.example', '192.0.2.1')],
  'alias.example A': [
    { type: 'CNAME', name: 'alias.example', ttl: TTL_SEC, data: 'second.example' },
    { type: 'CNAME', name: 'second.example', ttl: TTL_SEC, data: 'www.example' },
    a('www.example', '192.0.2.1'),
  ],
  'text.example TXT': [{ type: 'TXT', name: 'text.example', ttl: TTL_SEC, data: 'hello' }],
  'big.example A': Array.from({ length: MANY }, (_, i) => a('big.example', `192.0.2.${i + 1}`)),
  '8.8.8.8.in-addr.arpa PTR': [{ type: 'PTR', name: '8.8.8.8.in-addr.arpa', ttl: TTL_SEC, data: 'eight.example' }],
};

/** @param port 53, as of all servers, or a free one for 0 */
export async function startUpstream(namespace: string, address: string, port = 53): Promise<Upstream> {
  const asked: string[] = [];
  let manner: Manner = 'answers';
  const answer = (bytes: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined => {
    const query = decode(bytes);
    const [question] = query.questions ?? [];
    if (question === undefined) return undefined;
    asked.push(`${question.name} ${question.type} ${transport}`);
    if (manner === 'is silent') return undefined;
    const reply = encode(replyTo(query, question, manner));
    const limit = transport === 'tcp' ? 65_535 : udpLimit(query);
    if (reply.length <= limit) return reply;
    return encode({ ...replyTo(query, question, 'knows nothing'), flags: FLAGS | 0x0200 });
  };
  const udp = openUdp(namespace, { address, port });
  udp.on('message', (bytes, from) => {
    const reply = answer(bytes, 'udp');
    if (reply !== undefined) udp.send(reply, from.port, from.address);
  });
  const tcp = listenTcp(namespace, { address, port: udp.address().port });
  tcp.on('connection', (socket) => {
    const reader = new FrameReader();
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      for (const message of reader.push(chunk)) {
        const reply = answer(message, 'tcp');
        if (reply !== undefined) socket.write(frame(reply));
      }
    });
  });
  await once(tcp, 'listening');
  return {
    address,
    port: udp.address().port,
    asked,
    behave: (wanted) => {
      manner = wanted;
    },
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
    },
  };
}

/** Recursion desired and available. */
const FLAGS = 0x0100 | 0x0080;
const RCODE: Readonly<Record<Manner, number>> = {
  answers: 0,
  'is silent': 0,
  refuses: 5,
  fails: 2,
  'knows nothing': 0,
};

function replyTo(query: Packet, question: Question, manner: Manner): Packet {
  const known = RECORDS[`${question.name.toLowerCase()} ${question.type}`];
  const answers = manner === 'answers' ? (known ?? []) : [];
  const rcode = manner === 'answers' && known === undefined ? 3 : RCODE[manner];
  return {
    type: 'response',
    ...(query.id !== undefined && { id: query.id }),
    flags: FLAGS | rcode,
    questions: [question],
    answers: [...answers],
  };
}

function udpLimit(query: Packet): number {
  for (const record of query.additionals ?? []) if (record.type === 'OPT') return Math.max(512, record.udpPayloadSize);
  return 512;
}

function a(name: string, data: string): Answer {
  return { type: 'A', name, ttl: TTL_SEC, data };
}
