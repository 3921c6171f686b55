import { KernelError } from './errors.ts';
import { GROUPS, type KernelEvent, readEvent, type Topic } from './netlink/event.ts';
import { NetlinkDecodeError, readMessages } from './netlink/message-reader.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './netlink-socket.ts';

/**
 * How often all sockets are looked at, in milliseconds. Node watches no netlink sockets by itself; a look costs 3 µs, and a
 * tenth of a second is soon enough to hear of what somebody else did to a network.
 */
const INTERVAL_MS = 100;
/** Datagrams read from one socket at one look; what is left has to wait for the next, or is lost and told of as that. */
const MOST_DATAGRAMS = 512;

type Told = (event: KernelEvent | 'overrun') => void;

const monitors = new Set<{ readonly socket: NetlinkSocket; readonly told: Told }>();
let timer: NodeJS.Timeout | undefined;

/**
 * Tells of changes in a network namespace, until disposed of. Does not keep the process alive.
 *
 * The socket has the small buffer it gets by default: of a burst, as when ten thousand rows are written, the first few hundred
 * events come and then one `overrun`, which costs less than reading them all.
 *
 * @param namespace file of the network namespace
 * @param told an event; or `overrun`: some were lost, and anything may have changed. Must not throw.
 * @throws KernelError; `namespace-gone` as in `inNamespace`
 */
export function watchKernel(namespace: string, topics: readonly Topic[], told: Told): Disposable {
  const groups = topics.flatMap((topic) => GROUPS[topic]);
  const monitor = { socket: NetlinkSocket.listen(namespace, NETLINK_ROUTE, groups), told };
  monitors.add(monitor);
  timer ??= setInterval(lookAtAll, INTERVAL_MS).unref();
  return {
    [Symbol.dispose]: () => {
      if (!monitors.delete(monitor)) return;
      monitor.socket[Symbol.dispose]();
      if (monitors.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
  };
}

function lookAtAll(): void {
  for (const monitor of monitors) {
    // Whoever is told may dispose of this one, or of others.
    for (let datagrams = 0; datagrams < MOST_DATAGRAMS && monitors.has(monitor); datagrams++) {
      const what = next(monitor.socket);
      if (what === undefined) break;
      for (const event of what) monitor.told(event);
    }
  }
}

/** What the next datagram tells; undefined when there is none. */
function next(socket: NetlinkSocket): readonly (KernelEvent | 'overrun')[] | undefined {
  try {
    const datagram = socket.receive();
    if (datagram === undefined) return undefined;
    const events: KernelEvent[] = [];
    readMessages(datagram, (message) => {
      const event = readEvent(message);
      if (event !== undefined) events.push(event);
    });
    return events;
  } catch (error) {
    // ENOBUFS, mostly. Whatever it is, what came may not be all there was.
    if (error instanceof NetlinkDecodeError || error instanceof KernelError) return ['overrun'];
    throw error;
  }
}
