import { readFileSync } from 'node:fs';
import { inNamespace } from '../kernel/netns.ts';

/** Ports of a resolver on 127.0.0.11 of a container. */
export interface ResolverPorts {
  readonly udp: number;
  readonly tcp: number;
}

/** 127.0.0.11, as /proc/net writes it on machines of little-endian order. */
const RESOLVER_HEX = '0B00007F';
/** net/tcp_states.h: TCP_CLOSE is what an unconnected UDP socket is in. */
const CLOSED = '07';
const LISTENING = '0A';

/**
 * Where the engine's own resolver listens in a container, found by its address: the engine tells nobody, and its rules are
 * written in whatever way its host has. Undefined where there is none.
 *
 * @param ours ports of netd's resolver, on the same address
 * @throws KernelError `namespace-gone` as in `inNamespace`
 */
export function findEngineResolver(namespace: string, ours: ResolverPorts): ResolverPorts | undefined {
  const [udpText, tcpText] = inNamespace(namespace, () =>
    ['udp', 'tcp'].map((kind) => readFileSync(`/proc/thread-self/net/${kind}`, 'latin1')),
  );
  const udp = portsAt(udpText ?? '', CLOSED).find((port) => port !== ours.udp);
  const tcp = portsAt(tcpText ?? '', LISTENING).find((port) => port !== ours.tcp);
  return udp === undefined || tcp === undefined ? undefined : { udp, tcp };
}

/** Ports of the sockets in that state on 127.0.0.11 (proc_pid_net(5)); not 53, which is for programs in the container. */
export function portsAt(table: string, state: string): readonly number[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , found] = line.trim().split(/\s+/);
    const [address, port = ''] = local.split(':');
    const number = Number.parseInt(port, 16);
    return address === RESOLVER_HEX && found === state && number !== 53 ? [number] : [];
  });
}
