import { errnoName, isKernelErrno, KernelError } from './errors.ts';
import { type Answer, NLMSG_ERROR, readAnswer } from './netlink/header.ts';
import { readMessages } from './netlink/message-reader.ts';
import { MessageWriter } from './netlink/message-writer.ts';
import {
  type Expression,
  NF_INET_LOCAL_OUT,
  writeBatchBegin,
  writeBatchEnd,
  writeDelTable,
  writeNewNatChain,
  writeNewOwnedTable,
  writeNewRule,
} from './netlink/nftables.ts';
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.ts';

const TABLE = 'netd_dns';
const CHAIN = 'output';
/**
 * The engine diverts the same packets to its own resolver at -100 (dstnat). The first translation of a connection is
 * the one that counts, so ours is before it; and when ours is gone, the engine's is there.
 */
const PRIORITY = -110;
/** Where containers of the engine look for names. */
const RESOLVER = Uint8Array.of(127, 0, 0, 11);
const DNS_PORT = Uint8Array.of(0, 53);
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

export interface DnsPorts {
  /** On 127.0.0.11 of the namespace. */
  readonly udpPort: number;
  readonly tcpPort: number;
}

/** While it is open, DNS queries in the namespace go to our listeners. The end of the process closes it as well. */
export interface DnsRedirect {
  readonly close: () => void;
}

/**
 * Has what is sent to 127.0.0.11:53 in a container delivered to other ports there. The rules are in a table that belongs to
 * a socket of this process: they are gone as soon as it is, even killed, and the engine's own resolver answers again.
 * A connection, or a UDP socket that asks again, stays with the resolver it began with (conntrack).
 *
 * @param namespace file of the container's network namespace
 * @throws KernelError `EINVAL` or `EOPNOTSUPP` from kernels without tables that have an owner (before Linux 5.12), `EPERM` when
 *   another process has such a table there, `namespace-gone` as in `inNamespace`
 */
export async function installDnsRedirect(namespace: string, ports: DnsPorts): Promise<DnsRedirect> {
  const socket = NetlinkSocket.open(namespace, NETLINK_NETFILTER);
  try {
    await install(socket, ports);
  } catch (error) {
    socket[Symbol.dispose]();
    throw error;
  }
  return { close: () => socket[Symbol.dispose]() };
}

async function install(socket: NetlinkSocket, ports: DnsPorts): Promise<void> {
  try {
    await transact(socket, `nft add table ip ${TABLE}`, (w) => writeRedirect(w, ports));
  } catch (error) {
    if (!isKernelErrno(error, 'EEXIST')) throw error;
    // A table of our name that nobody owns, as `nft -f` leaves it.
    await transact(socket, `nft delete table ip ${TABLE}`, (w) => writeDelTable(w, TABLE));
    await transact(socket, `nft add table ip ${TABLE}`, (w) => writeRedirect(w, ports));
  }
}

function writeRedirect(w: MessageWriter, { udpPort, tcpPort }: DnsPorts): void {
  writeNewOwnedTable(w, TABLE);
  writeNewNatChain(w, TABLE, CHAIN, NF_INET_LOCAL_OUT, PRIORITY);
  writeNewRule(w, TABLE, CHAIN, redirect(IPPROTO_UDP, udpPort));
  writeNewRule(w, TABLE, CHAIN, redirect(IPPROTO_TCP, tcpPort));
}

/** `ip daddr 127.0.0.11 PROTOCOL dport 53 dnat to 127.0.0.11:PORT` */
function redirect(protocol: number, port: number): readonly Expression[] {
  return [
    { kind: 'payload', base: 'network', offset: 16, length: 4 }, // RFC 791: destination address
    { kind: 'equals', value: RESOLVER },
    { kind: 'l4proto' },
    { kind: 'equals', value: Uint8Array.of(protocol) },
    { kind: 'payload', base: 'transport', offset: 2, length: 2 }, // destination port, of UDP and TCP alike
    { kind: 'equals', value: DNS_PORT },
    { kind: 'dnat', ip: RESOLVER, port },
  ];
}

/** All the messages or none. @throws KernelError for the first the kernel refused */
async function transact(socket: NetlinkSocket, text: string, write: (w: MessageWriter) => void): Promise<void> {
  const w = new MessageWriter(1, 1024);
  writeBatchBegin(w);
  write(w);
  writeBatchEnd(w);
  await socket.send(w.written());
  const answers: Answer[] = [];
  for (;;) {
    const datagram = socket.receive();
    if (datagram === undefined) break;
    readMessages(datagram, (message) => {
      if (message.type === NLMSG_ERROR) answers.push(readAnswer(message));
    });
  }
  const refused = answers.find(({ errno }) => errno !== 0);
  if (refused !== undefined) throw new KernelError(errnoName(refused.errno), text, { detail: refused.text });
  // One for each message but the first and the last.
  if (answers.length !== w.messages - 2) throw new KernelError('EPROTO', text, { detail: 'the kernel did not answer' });
}
