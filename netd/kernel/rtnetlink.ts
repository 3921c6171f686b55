import pLimit from 'p-limit';
import { errorText } from '#base/errors.ts';
import { errnoName, KernelError } from './errors.ts';
import { type AddressRow, RTM_NEWADDR, readAddress, writeDumpAddresses } from './netlink/address.ts';
import { type Answer, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, readAnswer } from './netlink/header.ts';
import { type LinkId, RTM_NEWLINK, writeDumpLinks, writeGetLink } from './netlink/link.ts';
import { type LinkRow, readLink } from './netlink/link-row.ts';
import { type Message, readMessages } from './netlink/message-reader.ts';
import { MessageWriter } from './netlink/message-writer.ts';
import { type NeighborRow, RTM_NEWNEIGH, readNeighbor, writeDumpFdb, writeDumpNeighbors } from './netlink/neighbor.ts';
import { type RouteRow, RTM_NEWROUTE, readRoute, writeDumpRoutes, writeGetRoute } from './netlink/route.ts';
import { LARGEST_DATAGRAM, NETLINK_ROUTE, NetlinkSocket } from './netlink-socket.ts';

/** Tables that change faster than they can be dumped this often in a row are not quiet enough to compare with anything. */
const MOST_DUMP_TRIES = 10;
/** Messages sent at once: each takes about 3 µs to write, and nothing else of this process runs meanwhile. */
const BATCH_MESSAGES = 512;
/** Below what fits the send buffer of a socket by default (212,992 bytes, half of it for its own use). */
const BATCH_BYTES = 64 * 1024;

/** What did not work of a batch. The rest did. */
export interface BatchFailure<T> {
  readonly item: T;
  readonly error: KernelError;
}

/**
 * Links, addresses, neighbours, routes of one network namespace (rtnetlink(7)). Its socket was made inside and stays there:
 * no call here changes namespace, and the namespace lives at least as long as the socket is open.
 *
 * Requests are carried out in the order of the calls. A batch is not atomic: other requests may come in between.
 */
export class Rtnetlink implements Disposable {
  readonly #socket: NetlinkSocket;
  readonly #writer = new MessageWriter(1);
  /** One exchange at a time: answers are told apart by their order. */
  readonly #turn = pLimit(1);
  #isOpen = true;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * @param namespace file of the network namespace; undefined for that of this process
   * @throws KernelError; `namespace-gone` as in `inNamespace`
   */
  static open(namespace?: string): Rtnetlink {
    return new Rtnetlink(NetlinkSocket.open(namespace, NETLINK_ROUTE));
  }

  /**
   * Has one request carried out.
   *
   * @param text what the error says was tried, as a command: `ip link add br0 type bridge`
   * @throws KernelError with the errno name and the kernel's explanation
   */
  async request(text: string, write: (w: MessageWriter) => void): Promise<void> {
    const answer = await this.#ask(text, write);
    if (answer.errno !== 0) throw refusal(text, answer);
  }

  /**
   * Has many requests carried out, in order, each for itself: one that fails does not stop those after it.
   *
   * @returns the failures, in order
   * @throws KernelError when the kernel took no requests, or lost answers: what was done is then not known
   */
  async batch<T>(
    items: readonly T[],
    write: (w: MessageWriter, item: T) => void,
    text: (item: T) => string,
  ): Promise<readonly BatchFailure<T>[]> {
    const failures: BatchFailure<T>[] = [];
    for (let done = 0; done < items.length; ) {
      done += await this.#inTurn(() => this.#sendBatch(items, done, write, text, failures));
    }
    return failures;
  }

  /** The link, or undefined if there is none of that name or index. @throws KernelError */
  async link(id: LinkId): Promise<LinkRow | undefined> {
    let link: LinkRow | undefined;
    const text = `ip link show ${typeof id === 'number' ? `index ${id}` : id}`;
    const answer = await this.#ask(
      text,
      (w) => writeGetLink(w, id),
      (message) => {
        if (message.type === RTM_NEWLINK) link = readLink(message);
      },
    );
    if (answer.errno === 0) return link;
    const error = refusal(text, answer);
    if (error.errno === 'ENODEV') return undefined;
    throw error;
  }

  /** @param master only the ports of the bridge with that index */
  links(master?: number): Promise<LinkRow[]> {
    return this.#dump('ip link show', (w) => writeDumpLinks(w, master), RTM_NEWLINK, readLink);
  }

  /** @param ifindex only those of that link */
  addresses(ifindex?: number): Promise<AddressRow[]> {
    return this.#dump('ip address show', (w) => writeDumpAddresses(w, ifindex), RTM_NEWADDR, readAddress);
  }

  /** IPv4 neighbours of a link. */
  neighbors(ifindex: number): Promise<NeighborRow[]> {
    return this.#dump('ip neigh show', (w) => writeDumpNeighbors(w, ifindex), RTM_NEWNEIGH, readNeighbor);
  }

  /** Forwarding rows of a link: its own, and those its bridge has for it as a port. */
  fdb(ifindex: number): Promise<NeighborRow[]> {
    return this.#dump('bridge fdb show', (w) => writeDumpFdb(w, ifindex), RTM_NEWNEIGH, readNeighbor);
  }

  /** @param table RT_TABLE_MAIN unless given; 0 for all */
  routes(table?: number): Promise<RouteRow[]> {
    return this.#dump('ip route show', (w) => writeDumpRoutes(w, table), RTM_NEWROUTE, readRoute);
  }

  /**
   * What the kernel does with a packet to an address; undefined if it has no way for it.
   *
   * @param source its source address, if it is to have a certain one
   */
  async routeTo(destination: string, source?: string): Promise<RouteRow | undefined> {
    let route: RouteRow | undefined;
    const text = `ip route get ${destination}${source === undefined ? '' : ` from ${source}`}`;
    const answer = await this.#ask(
      text,
      (w) => writeGetRoute(w, destination, source),
      (message) => {
        if (message.type === RTM_NEWROUTE) route = readRoute(message);
      },
    );
    if (answer.errno === 0) return route;
    const error = refusal(text, answer);
    // EINVAL: the source is no address of ours now. EACCES: a route that prohibits.
    if (['ENETUNREACH', 'EHOSTUNREACH', 'EINVAL', 'EACCES'].includes(error.errno)) return undefined;
    throw error;
  }

  /** Closes the socket as soon as what was asked before is done. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // A descriptor closed while another thread uses it may be a different file by then.
    void this.#turn(() => this.#socket[Symbol.dispose]());
  }

  #inTurn<T>(f: () => Promise<T>): Promise<T> {
    if (!this.#isOpen) return Promise.reject(new Error('the netlink socket is closed'));
    return this.#turn(f);
  }

  /** Sends one message and reads all of its answer; `visit` gets what is in it besides the status. */
  #ask(text: string, write: (w: MessageWriter) => void, visit: (message: Message) => void = () => {}): Promise<Answer> {
    return this.#inTurn(() => this.#askNow(text, write, visit));
  }

  async #askNow(text: string, write: (w: MessageWriter) => void, visit: (message: Message) => void): Promise<Answer> {
    const w = this.#writer;
    w.reset();
    const sequence = w.sequence;
    write(w);
    w.acknowledgeLast();
    let status: Answer = { errno: 0, text: '' };
    await this.#exchange(
      text,
      w,
      () => this.#socket.receive(),
      (message) => {
        if (message.sequence !== sequence) return false;
        if (message.type !== NLMSG_ERROR) {
          visit(message);
          return false;
        }
        status = readAnswer(message);
        return true;
      },
    );
    return status;
  }

  async #dump<T>(
    text: string,
    write: (w: MessageWriter) => void,
    type: number,
    read: (message: Message) => T,
  ): Promise<T[]> {
    for (let tries = 0; tries < MOST_DUMP_TRIES; tries++) {
      const rows: T[] = [];
      const visit = (message: Message) => message.type === type && rows.push(read(message));
      if (await this.#inTurn(() => this.#dumpOnce(text, write, visit))) return rows;
    }
    throw new KernelError('EINTR', text, {
      detail: `the tables changed during each of ${MOST_DUMP_TRIES} dumps`,
    });
  }

  /** @returns false if the tables changed meanwhile: rows may be missing */
  async #dumpOnce(
    text: string,
    write: (w: MessageWriter) => void,
    visit: (message: Message) => void,
  ): Promise<boolean> {
    const w = this.#writer;
    w.reset();
    const sequence = w.sequence;
    write(w);
    let isWhole = true;
    const buffer = Buffer.allocUnsafeSlow(LARGEST_DATAGRAM);
    const receive = () => this.#socket.receiveDump(buffer);
    await this.#exchange(text, w, receive, (message) => {
      if (message.sequence !== sequence) return false;
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) isWhole = false;
      if (message.type !== NLMSG_DONE && message.type !== NLMSG_ERROR) {
        if (isWhole) visit(message);
        return false;
      }
      const answer = readAnswer(message);
      if (answer.errno !== 0) throw refusal(text, answer);
      return true;
    });
    return isWhole;
  }

  /** @returns how many items, from `first` on, are done with */
  async #sendBatch<T>(
    items: readonly T[],
    first: number,
    write: (w: MessageWriter, item: T) => void,
    text: (item: T) => string,
    failures: BatchFailure<T>[],
  ): Promise<number> {
    const w = this.#writer;
    w.reset();
    const sequence = w.sequence;
    const sent: T[] = [];
    let count = 0;
    for (; count < BATCH_MESSAGES && first + count < items.length && w.length < BATCH_BYTES; count++) {
      const item = items[first + count] as T;
      try {
        write(w, item);
        sent.push(item);
      } catch (error) {
        w.abandon();
        failures.push({
          item,
          error: new KernelError('EINVAL', text(item), { detail: errorText(error), cause: error }),
        });
      }
    }
    if (sent.length === 0) return count;
    if (w.messages !== sent.length) throw new Error('each item of a batch is one message');
    // Each error is answered, and so is the last message: with that answer all are in.
    w.acknowledgeLast();
    await this.#exchange(
      'batch',
      w,
      () => this.#socket.receive(),
      (message) => {
        const index = (message.sequence - sequence) >>> 0;
        const item = sent[index];
        if (message.type !== NLMSG_ERROR || item === undefined) return false;
        const answer = readAnswer(message);
        if (answer.errno !== 0) failures.push({ item, error: refusal(text(item), answer) });
        return index === sent.length - 1;
      },
    );
    return count;
  }

  /** Sends what `w` holds and reads the answer, until `visit` says of a message that it is the last. */
  async #exchange(
    text: string,
    w: MessageWriter,
    receive: () => Buffer | undefined | Promise<Buffer | undefined>,
    visit: (message: Message) => boolean,
  ): Promise<void> {
    await this.#socket.send(w.written());
    let isDone = false;
    try {
      while (!isDone) {
        const datagram = await receive();
        if (datagram === undefined) throw new KernelError('EPROTO', text, { detail: 'the kernel did not answer' });
        readMessages(datagram, (message) => {
          if (visit(message)) isDone = true;
        });
      }
    } catch (error) {
      // A dump not read to its end would refuse the next one (EBUSY).
      if (!isDone) this.#socket.drain();
      throw error;
    }
  }
}

function refusal(text: string, { errno, text: detail }: Answer): KernelError {
  return new KernelError(errnoName(errno), text, { detail });
}
