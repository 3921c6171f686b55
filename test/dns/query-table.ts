import { OPCODE, type TYPE } from '#netd/dns/codes.ts';
import type { WorldAddresses } from './docker-world.ts';
import { type RequestOptions, reverseName } from './packet.ts';

/**
 * The queries of conformance check C-40 (spec dataplane §10), with what a client is told. Held against real Docker engines, which
 * proves the table, and against netd, which proves netd. Where they differ the reason stands in docs/dns.md.
 */

export interface Expected {
  readonly rcode: string;
  /** `TYPE DATA` for the name asked, or `NAME TYPE DATA`; placeholders as in `fill`. */
  readonly answers?: readonly string[];
  /** At least that many of the answers: the reply is cut. */
  readonly some?: number;
  readonly ttl?: number;
  readonly flags?: string;
}

export interface QueryRow {
  /** The name asked; placeholders as in `fill`. */
  readonly name: string;
  readonly type: keyof typeof TYPE;
  readonly options?: Omit<RequestOptions, 'type'>;
  readonly transport?: 'udp' | 'tcp';
  /** The container that asks: one without options, or one with `ndots:1`. */
  readonly from?: 'client' | 'ndots';
  readonly expect: Expected | 'no reply';
  /** What Docker says instead, by the first part of its version. */
  readonly docker?: Readonly<Partial<Record<'20' | '26' | '28', Expected | 'no reply'>>>;
  /** What netd says instead of what Docker 28 does; docs/dns.md has the reason. */
  readonly netd?: Expected | 'no reply';
}

/** Flags of an ordinary reply. */
export const REPLY = 'qr rd ra';
const TASKS: Expected = { rcode: 'NOERROR', answers: ['A {echo tasks}'], ttl: 600 };
const VIP: Expected = { rcode: 'NOERROR', answers: ['A {vip}'], ttl: 600 };
const TASK: Expected = { rcode: 'NOERROR', answers: ['A {task ip}'], ttl: 600 };
const LONELY: Expected = { rcode: 'NOERROR', answers: ['A {lonely ip}'], ttl: 600 };
const EMPTY: Expected = { rcode: 'NOERROR' };
/** What the outside world says of names it does not have: the question was forwarded. */
const FORWARDED: Expected = { rcode: 'NXDOMAIN' };
const TTL_OUTSIDE = 77;
const WWW: Expected = { rcode: 'NOERROR', answers: ['A 192.0.2.1'], ttl: TTL_OUTSIDE };
const MALFORMED: Expected = { rcode: 'FORMERR', flags: 'qr rd' };

export const QUERY_TABLE: readonly QueryRow[] = [
  // A service with a virtual address.
  { name: 'echo', type: 'A', expect: VIP },
  { name: 'ECHO', type: 'A', expect: VIP },
  { name: 'eCHo', type: 'A', transport: 'tcp', expect: VIP },
  { name: 'echo', type: 'A', options: { udpBytes: 4096 }, expect: VIP },
  { name: 'echo', type: 'A', options: { recursionDesired: false }, expect: { ...VIP, flags: 'qr ra' } },
  { name: 'echo', type: 'AAAA', expect: EMPTY },
  { name: 'echo', type: 'AAAA', transport: 'tcp', expect: EMPTY },
  { name: 'echo', type: 'MX', expect: EMPTY },
  { name: 'ECHO', type: 'MX', expect: EMPTY },
  { name: 'echo', type: 'TXT', expect: FORWARDED },
  { name: 'echo', type: 'SRV', expect: FORWARDED },
  { name: 'echo', type: 'ANY', expect: FORWARDED },
  { name: 'echo', type: 'HTTPS', expect: FORWARDED },
  { name: 'echo', type: 'NS', expect: FORWARDED },
  { name: 'echo', type: 'SOA', expect: FORWARDED },
  { name: 'echo', type: 'CNAME', expect: FORWARDED },
  // With the network's name.
  { name: 'echo.plain', type: 'A', expect: VIP },
  { name: 'ECHO.plain', type: 'A', expect: VIP },
  { name: 'ECHO.PLAIN', type: 'A', expect: FORWARDED },
  { name: 'echo.Plain', type: 'A', expect: FORWARDED },
  { name: 'echo.plain', type: 'AAAA', expect: EMPTY },
  { name: 'echo.plain', type: 'MX', expect: EMPTY },
  { name: 'echo.other', type: 'A', expect: FORWARDED },
  { name: 'echo.plain.plain', type: 'A', expect: FORWARDED },
  { name: 'plain', type: 'A', expect: FORWARDED },
  // Its tasks.
  { name: 'tasks.echo', type: 'A', expect: TASKS },
  { name: 'TASKS.ECHO', type: 'A', expect: TASKS },
  { name: 'tasks.echo', type: 'AAAA', expect: EMPTY },
  { name: 'tasks.echo', type: 'MX', expect: EMPTY },
  { name: 'tasks.echo.plain', type: 'A', expect: TASKS },
  { name: 'Tasks.Echo.plain', type: 'A', transport: 'tcp', expect: TASKS },
  { name: 'tasks.nosuch', type: 'A', expect: FORWARDED },
  { name: 'tasks', type: 'A', expect: FORWARDED },
  // Aliases of the service.
  { name: 'alias1', type: 'A', expect: VIP },
  { name: 'ALIAS1', type: 'A', expect: VIP },
  { name: 'alias1.plain', type: 'A', expect: VIP },
  { name: 'tasks.alias1', type: 'A', expect: TASKS },
  { name: 'tasks.alias1.plain', type: 'A', expect: TASKS },
  // Tasks and containers.
  { name: '{task name}', type: 'A', expect: TASK },
  { name: '{TASK NAME}', type: 'A', expect: TASK },
  { name: '{task name}.plain', type: 'A', expect: TASK },
  { name: '{task name}', type: 'AAAA', expect: EMPTY },
  { name: '{task short id}', type: 'A', expect: TASK },
  { name: '{task short id}.plain', type: 'A', expect: TASK },
  { name: 'lonely', type: 'A', expect: LONELY },
  { name: 'LONELY.plain', type: 'A', expect: LONELY },
  { name: 'lonealias', type: 'A', expect: LONELY },
  { name: 'lonealias.plain', type: 'A', expect: LONELY },
  { name: 'tasks.lonely', type: 'A', expect: FORWARDED },
  { name: 'client', type: 'A', expect: { rcode: 'NOERROR', answers: ['A {own ip}'], ttl: 600 } },
  // A service without a virtual address, with more tasks than 512 bytes hold.
  {
    name: 'rr',
    type: 'A',
    expect: { rcode: 'NOERROR', answers: ['A {rr tasks}'], some: 20, ttl: 600, flags: 'qr tc rd ra' },
  },
  {
    name: 'tasks.rr',
    type: 'A',
    expect: { rcode: 'NOERROR', answers: ['A {rr tasks}'], some: 20, ttl: 600, flags: 'qr tc rd ra' },
  },
  {
    name: 'rr',
    type: 'A',
    options: { udpBytes: 4096 },
    expect: { rcode: 'NOERROR', answers: ['A {rr tasks}'], ttl: 600 },
  },
  { name: 'rr', type: 'A', transport: 'tcp', expect: { rcode: 'NOERROR', answers: ['A {rr tasks}'], ttl: 600 } },
  { name: 'RR.plain', type: 'A', transport: 'tcp', expect: { rcode: 'NOERROR', answers: ['A {rr tasks}'], ttl: 600 } },
  { name: 'rr', type: 'AAAA', expect: EMPTY },
  // Names that are not there.
  { name: 'hidden', type: 'A', expect: FORWARDED },
  { name: 'none', type: 'A', expect: FORWARDED },
  { name: 'tasks.none', type: 'A', expect: FORWARDED },
  { name: 'nosuch', type: 'A', expect: FORWARDED },
  { name: 'nosuch', type: 'AAAA', expect: FORWARDED },
  { name: 'nosuch.example', type: 'A', expect: FORWARDED },
  { name: 'nosuch', type: 'A', from: 'ndots', expect: EMPTY },
  { name: 'nosuch', type: 'AAAA', from: 'ndots', expect: EMPTY },
  { name: 'nosuch', type: 'TXT', from: 'ndots', expect: FORWARDED },
  { name: 'nosuch.example', type: 'A', from: 'ndots', expect: FORWARDED },
  { name: 'echo', type: 'A', from: 'ndots', expect: VIP },
  { name: '{63}', type: 'A', expect: FORWARDED },
  { name: '{63}.{63}.{63}.{61}', type: 'A', expect: FORWARDED },
  // Addresses back to names.
  { name: '{task reverse}', type: 'PTR', expect: { rcode: 'NOERROR', answers: ['PTR {task name}.plain'], ttl: 600 } },
  { name: '{lonely reverse}', type: 'PTR', expect: { rcode: 'NOERROR', answers: ['PTR lonely.plain'], ttl: 600 } },
  { name: '{own reverse}', type: 'PTR', expect: { rcode: 'NOERROR', answers: ['PTR client.plain'], ttl: 600 } },
  { name: '{vip reverse}', type: 'PTR', expect: FORWARDED },
  { name: '1.0.11.10.in-addr.arpa', type: 'PTR', expect: FORWARDED },
  { name: '1.0.18.172.in-addr.arpa', type: 'PTR', expect: FORWARDED },
  {
    name: '8.8.8.8.in-addr.arpa',
    type: 'PTR',
    expect: { rcode: 'NOERROR', answers: ['PTR eight.example'], ttl: TTL_OUTSIDE },
  },
  { name: '1.2.in-addr.arpa', type: 'PTR', expect: FORWARDED },
  { name: 'echo', type: 'PTR', expect: FORWARDED, docker: { '20': 'no reply' } },
  { name: '{task reverse}', type: 'A', expect: FORWARDED },
  // The outside world.
  { name: 'www.example', type: 'A', expect: WWW },
  { name: 'www.example', type: 'A', transport: 'tcp', expect: WWW },
  {
    name: 'WWW.example',
    type: 'A',
    options: { udpBytes: 1232 },
    expect: { rcode: 'NOERROR', answers: ['www.example A 192.0.2.1'], ttl: TTL_OUTSIDE },
  },
  {
    name: 'alias.example',
    type: 'A',
    expect: {
      rcode: 'NOERROR',
      answers: ['CNAME second.example', 'second.example CNAME www.example', 'www.example A 192.0.2.1'],
      ttl: TTL_OUTSIDE,
    },
  },
  { name: 'text.example', type: 'TXT', expect: { rcode: 'NOERROR', answers: ['TXT {hello}'], ttl: TTL_OUTSIDE } },
  { name: 'big.example', type: 'A', expect: { rcode: 'NOERROR', flags: 'qr tc rd ra' } },
  {
    name: 'big.example',
    type: 'A',
    options: { udpBytes: 4096 },
    expect: { rcode: 'NOERROR', answers: ['A {big}'], ttl: TTL_OUTSIDE },
  },
  {
    name: 'big.example',
    type: 'A',
    transport: 'tcp',
    expect: { rcode: 'NOERROR', answers: ['A {big}'], ttl: TTL_OUTSIDE },
  },
  { name: '', type: 'NS', expect: FORWARDED },
  // What is no ordinary question.
  { name: 'echo', type: 'A', options: { questions: 2 }, expect: MALFORMED },
  { name: 'echo', type: 'A', options: { questions: 0 }, expect: MALFORMED },
  { name: 'echo', type: 'A', options: { class: 3 }, expect: VIP },
  { name: 'echo', type: 'A', options: { opcode: OPCODE.STATUS }, expect: { rcode: 'NOTIMP', flags: 'qr rd' } },
  { name: 'echo', type: 'A', options: { opcode: OPCODE.NOTIFY }, expect: { ...VIP, flags: 'qr ra' } },
  { name: 'echo', type: 'A', options: { isReply: true }, expect: 'no reply' },
  { name: 'echo', type: 'A', options: { cutTo: 11 }, expect: 'no reply' },
  { name: 'echo', type: 'A', options: { cutTo: 15 }, expect: MALFORMED },
  // Where netd differs on purpose.
  { name: 'echo', type: 'A', options: { cutTo: 12 }, expect: 'no reply', netd: MALFORMED },
  {
    name: '{TASK REVERSE}',
    type: 'PTR',
    expect: FORWARDED,
    docker: { '20': 'no reply' },
    netd: { rcode: 'NOERROR', answers: ['PTR {task name}.plain'], ttl: 600 },
  },
];

/** One row's name for the test report. */
export function rowTitle({ name, type, transport = 'udp', from = 'client', options = {} }: QueryRow): string {
  const extras = Object.entries(options).map(([key, value]) => ` ${key}=${value}`);
  return `${name || '.'} ${type} over ${transport}${from === 'ndots' ? ' with ndots:1' : ''}${extras.join('')}`;
}

/** Puts the addresses of a world in the place of `{…}`; a placeholder for several makes several. */
export function fill(text: string, addresses: WorldAddresses): readonly string[] {
  const { task } = addresses;
  const values: Readonly<Record<string, readonly string[]>> = {
    vip: [addresses.echoVip],
    'echo tasks': addresses.echoTasks,
    'rr tasks': addresses.rrTasks,
    'task ip': [task.address],
    'task name': [task.name],
    'TASK NAME': [task.name.toUpperCase()],
    'task short id': [task.shortId],
    'lonely ip': [addresses.lonely],
    'own ip': [addresses.self],
    'task reverse': [reverseName(task.address)],
    'TASK REVERSE': [reverseName(task.address).toUpperCase()],
    'lonely reverse': [reverseName(addresses.lonely)],
    'own reverse': [reverseName(addresses.self)],
    'vip reverse': [reverseName(addresses.echoVip)],
    '63': ['x'.repeat(63)],
    '61': ['x'.repeat(61)],
    hello: ['[{"type":"Buffer","data":[104,101,108,108,111]}]'],
    big: Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`),
  };
  const match = /\{([^}]*)\}/.exec(text);
  if (match === null) return [text];
  const chosen = values[match[1] ?? ''];
  if (chosen === undefined) throw new Error(`no placeholder ${match[0]}`);
  // Only the first is replaced at a time, and not again in what came in its place.
  const [before, after] = [text.slice(0, match.index), text.slice(match.index + match[0].length)];
  return chosen.flatMap((value) => fill(after, addresses).map((rest) => before + value + rest));
}
