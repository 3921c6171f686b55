import type { Clock } from '#base/clock.ts';
import { errorText, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { createNotifier } from '#base/notifier.ts';
import type { Fact } from '#netd/gossip/io.ts';
import type { KeySet } from '#netd/gossip/keys/keyring.ts';
import { type GossipNode, startGossip } from '#netd/gossip/node.ts';
import type { SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { type DataPath, dataPathOf } from './data-path.ts';
import type { HostNetwork } from './host-network.ts';
import { isLocal, localAddress } from './local-address.ts';
import { type NetworkOrders, NO_ORDERS, networkOrders } from './network-orders.ts';

/** How this node takes part in the gossip of its swarm. Times are milliseconds since the epoch. */
export type GossipState =
  /** No manager has given it keys yet; nothing listens (spec gossip §15). */
  | { readonly kind: 'waiting' }
  /** It cannot start, and is tried again and again. */
  | { readonly kind: 'failing'; readonly error: NetdError; readonly sinceMs: number }
  | { readonly kind: 'running'; readonly node: GossipNode; readonly sinceMs: number };

/** The gossip of a joined node: made once there are keys, made anew when its name or address will not do any more. */
export interface NodeGossip {
  /** Takes the keys, the managers and the data path's port out of a session message. */
  readonly onMessage: (message: SessionMessage) => void;
  /**
   * The swarm has put this node out: says goodbye and waits for keys, should it be taken in again. Its addresses may be given to
   * others at any time, so its rows must go.
   */
  readonly onRemoved: () => void;
  /** Keeps the gossip going until the signal aborts; what runs then goes on until `leave` or `close`. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** The gossip node of now. Rows and attachments are its own: another one starts with none. */
  readonly current: () => GossipNode | undefined;
  /**
   * Calls `listener` whenever `current` has become another, or none; before a new one joins the others, so that what is attached
   * and published at once is there for the first exchange. Returns the undo.
   */
  readonly onChange: (listener: (node: GossipNode | undefined) => void) => () => void;
  /** Where the packets of overlay networks go; undefined until the gossip has run, an error if it cannot be told. */
  readonly dataPath: () => DataPath | NetdError | undefined;
  /** IP addresses of the managers. */
  readonly managers: () => readonly string[];
  /** Keys of encrypted networks. */
  readonly ipsecKeys: () => KeySet | undefined;
  readonly state: () => GossipState;
  /** Why no peer can be reached; undefined if one is, or none was looked for yet. */
  readonly unreachable: () => Unreachable | undefined;
  /** Why the managers' last list of keys was refused; the keys of before are used then. */
  readonly refusedKeys: () => string | undefined;
  /** Says goodbye: peers drop this node and its rows at once. To be called after `run` has ended. At most seven seconds. */
  readonly leave: () => Promise<void>;
  /** Stops without a word: peers keep the rows of this node for as long as they take to find that it is gone. */
  readonly close: () => Promise<void>;
}

export interface Unreachable {
  readonly addresses: readonly string[];
  readonly reason: string;
  readonly sinceMs: number;
}

export interface NodeGossipOptions {
  /** What `netd join` was told; null is for netd to find out. */
  readonly advertiseAddr: string | null;
  readonly dataPathAddr: string | null;
  readonly host: HostNetwork;
  readonly clock: Clock;
  readonly log: Logger;
  /** For tests, which share one host: 0.0.0.0 and 7946 in every swarm. */
  readonly listen?: { readonly ip: string; readonly port: number };
}

/** Docker's port, which no daemon can change (spec gossip §9). */
export const GOSSIP_PORT = 7946;
/** A port or an address that is not there now may be in a moment. */
const RETRY_MS = 2000;
/** The addresses of the host are looked at this often. */
const CHECK_MS = 30_000;
/** A name that cannot be defended is given up, but not faster than this: whoever attacks it must not have us spinning. */
const LEAST_LIFE_MS = 10_000;

export function createNodeGossip(options: NodeGossipOptions): NodeGossip {
  const { advertiseAddr, dataPathAddr, host, clock, log } = options;
  const listen = options.listen ?? { ip: '0.0.0.0', port: GOSSIP_PORT };
  const marks = createNotifier();
  const listeners = new Set<(node: GossipNode | undefined) => void>();
  let orders: NetworkOrders = NO_ORDERS;
  let state: GossipState = { kind: 'waiting' };
  let unreachable: Unreachable | undefined;
  let burned = false;
  let marked = false;
  let startedMs = Number.NEGATIVE_INFINITY;

  const mark = () => {
    marked = true;
    marks.notify();
  };
  const current = () => (state.kind === 'running' ? state.node : undefined);

  const onMessage = (message: SessionMessage): void => {
    const before = orders;
    orders = networkOrders(orders, message);
    const { refusedKeys: error } = orders;
    if (error !== undefined && error !== before.refusedKeys) log.error({ error }, 'network keys refused');
    const node = current();
    if (node && orders.keys && orders.keys !== before.keys) {
      node.setKeyring(orders.keys.gossip);
      log.info({ primary: String(orders.keys.gossip.tags[0]) }, 'network keys have changed');
    }
    if (node && orders.managers.join() !== before.managers.join()) node.join(bootstrap());
    if (orders.keys !== before.keys || orders.seenAt !== before.seenAt) mark();
  };

  const bootstrap = () => orders.managers.map((ip) => ({ ip, port: listen.port }));

  const onFact = (fact: Fact): void => {
    switch (fact.kind) {
      case 'unreachable':
        unreachable = {
          addresses: fact.addresses.map(({ ip }) => ip),
          reason: fact.reason,
          sinceMs: clock.now(),
        };
        return;
      case 'joined':
        unreachable = undefined;
        return;
      case 'name-burned':
        burned = true;
        mark();
        return;
      default:
        return;
    }
  };

  /** The address peers are to use. What the manager sees is the best guess, unless a router on the way has changed it. */
  const advertised = async (): Promise<string> => {
    const interfaces = host.interfaces();
    if (advertiseAddr !== null) return localAddress('--advertise-addr', advertiseAddr, interfaces);
    if (isLocal(orders.seenAt, interfaces)) return orders.seenAt;
    const [manager] = orders.managers;
    if (manager === undefined) throw new NetdError('no-manager', 'no manager has an address to look for peers at');
    try {
      return await host.sourceFor(manager);
    } catch (error) {
      throw new NetdError('no-route', `this host has no way to the manager ${manager}: ${errorText(error)}`, {
        mend: 'Mend the routes of this host, or leave and join again with --advertise-addr.',
        cause: error,
      });
    }
  };

  /** A name stays with its address: with another address it has to be another name (spec gossip §19). */
  const outdated = async (node: GossipNode): Promise<string | undefined> => {
    if (burned) return 'its name cannot be defended any more';
    const interfaces = host.interfaces();
    if (isLocal(node.address.ip, interfaces) && advertiseAddr === null) return undefined;
    // An address that is gone for a moment, as when a network is set up anew, is no reason to give up the old one.
    const ip = await advertised().catch(() => node.address.ip);
    return ip === node.address.ip ? undefined : 'this host has another address now';
  };

  /** Observes, and does what is due; returns how long nothing is due then. */
  const pass = async (): Promise<number> => {
    const node = current();
    if (node && orders.keys === undefined) {
      log.warn({ node: node.name }, 'gossip ends: the swarm does not know this node any more');
      await stop((old) => old.leave());
    } else if (node) {
      const reason = await outdated(node);
      const leftMs = startedMs + LEAST_LIFE_MS - clock.monotonicMs();
      if (reason === undefined || leftMs > 0) return reason === undefined ? CHECK_MS : leftMs;
      log.warn({ node: node.name, reason }, 'gossip starts anew under another name');
      await stop((old) => old[Symbol.asyncDispose]());
    }
    const { keys } = orders;
    if (keys === undefined) {
      become({ kind: 'waiting' });
      return CHECK_MS;
    }
    try {
      const advertiseIp = await advertised();
      burned = false;
      const started = await startGossip({
        listen,
        advertiseIp,
        keyring: keys.gossip,
        logger: log,
        onFact,
      });
      startedMs = clock.monotonicMs();
      become({ kind: 'running', node: started, sinceMs: clock.now() });
      // What came while it started.
      if (orders.keys) started.setKeyring(orders.keys.gossip);
      started.join(bootstrap());
      return CHECK_MS;
    } catch (error) {
      failed(await explained(asNetdError(error)));
      return RETRY_MS;
    }
  };

  /** Who has our port is looked for once: it takes a while on a large host, and the answer stays. */
  const explained = async (error: NetdError): Promise<NetdError> => {
    if (error.code !== 'gossip-port-in-use') return error;
    if (state.kind === 'failing' && state.error.code === error.code) return state.error;
    const holder = await host.portHolder(listen.port);
    if (holder === undefined) return error;
    const { mend } = error;
    return new NetdError(error.code, `${error.message} by ${holder}`, { ...(mend ? { mend } : {}), cause: error });
  };

  const failed = (error: NetdError) => {
    const isNews = state.kind !== 'failing' || state.error.message !== error.message;
    if (isNews) log.error({ error: error.message, mend: error.mend }, 'gossip cannot start; will keep trying');
    become({ kind: 'failing', error, sinceMs: state.kind === 'failing' ? state.sinceMs : clock.now() });
  };

  const become = (next: GossipState) => {
    const before = current();
    state = next;
    const node = current();
    if (node === before) return;
    for (const listener of listeners) {
      try {
        listener(node);
      } catch (error) {
        // The gossip must not be taken for broken because somebody else is.
        log.error({ err: error }, 'what depends on the gossip failed to take up its change');
      }
    }
  };

  const stop = async (how: (node: GossipNode) => PromiseLike<void>): Promise<void> => {
    const node = current();
    become({ kind: 'waiting' });
    unreachable = undefined;
    if (node) await how(node);
  };

  const nap = async (ms: number, signal: AbortSignal): Promise<void> => {
    const scope = new AbortController();
    const inside = AbortSignal.any([signal, scope.signal]);
    await Promise.race([marks.wait(inside), clock.sleep(ms, inside)].map((one) => one.catch(() => {})));
    scope.abort(new Error('awake'));
  };

  return {
    onMessage,
    onRemoved: () => {
      orders = { ...orders, keys: undefined };
      mark();
    },
    run: async (signal) => {
      while (!signal.aborted) {
        marked = false;
        const restMs = await pass();
        if (!marked) await nap(restMs, signal);
      }
    },
    current,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    dataPath: () => {
      const node = current();
      if (node === undefined) return undefined;
      try {
        const { vxlanUdpPort } = orders;
        // Asked for several times a second by some: without need the interfaces are not listed.
        const interfaces = dataPathAddr === null ? [] : host.interfaces();
        return dataPathOf({ dataPathAddr, advertised: node.address.ip, interfaces, vxlanUdpPort });
      } catch (error) {
        return asNetdError(error);
      }
    },
    managers: () => orders.managers,
    ipsecKeys: () => orders.keys?.ipsec,
    state: () => state,
    unreachable: () => unreachable,
    refusedKeys: () => orders.refusedKeys,
    leave: () => stop((node) => node.leave()),
    close: () => stop((node) => node[Symbol.asyncDispose]()),
  };
}

function asNetdError(error: unknown): NetdError {
  return error instanceof NetdError
    ? error
    : new NetdError('gossip-failed', `the gossip cannot start: ${errorText(error)}`, { cause: error });
}
