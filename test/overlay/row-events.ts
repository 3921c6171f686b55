import { GROUPS } from '#netd/kernel/netlink/event.ts';
import { readMessages } from '#netd/kernel/netlink/message-reader.ts';
import { NETLINK_ROUTE, NetlinkSocket } from '#netd/kernel/netlink-socket.ts';
import { eventually } from '#test/hosts/eventually.ts';

/** Hears of neighbours and forwarding rows of a namespace as soon as the kernel has them, which costs netd nothing. */
export class RowEvents implements Disposable {
  readonly #socket: NetlinkSocket;

  constructor(namespace: string) {
    this.#socket = NetlinkSocket.listen(namespace, NETLINK_ROUTE, GROUPS.neighbor);
  }

  /** Forgets what has been told so far. */
  drain(): void {
    while (this.#socket.receive() !== undefined);
  }

  /** Resolves when so many rows have been told of. */
  async told(rows: number): Promise<void> {
    let heard = 0;
    const all = () => {
      heard += this.#receive();
      return heard >= rows;
    };
    await eventually(`the kernel tells of ${rows} rows`, all, { intervalMs: 1 });
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #receive(): number {
    let messages = 0;
    for (;;) {
      const datagram = this.#socket.receive();
      if (datagram === undefined) return messages;
      readMessages(datagram, () => {
        messages++;
      });
    }
  }
}
