import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { type Clock, systemClock } from '#base/clock.ts';
import { errorText, isErrno, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { Core, type Input } from './core.ts';
import { Repeats, tellAll, text } from './facts.ts';
import type { Fact, Output } from './io.ts';
import type { Keyring } from './keys/keyring.ts';
import { LastHeard } from './last-heard.ts';
import { nonceSource } from './nonces.ts';
import { SourceLimit } from './source-limit.ts';
import { frameSealer, listenStreams, type StreamKeys, sendStream } from './streams.ts';
import { Tables } from './tables.ts';
import { bindUdp, type Udp } from './udp.ts';
import { type GossipSummary, type GossipView, summaryOf, viewOf } from './view.ts';
import { DecodeError } from './wire/decode-error.ts';
import { openPacket, sealPacket } from './wire/packet.ts';
import type { Address } from './wire/swim-message.ts';

export interface GossipOptions {
  /** Where to listen; `0.0.0.0` or `::` listens everywhere. Port 7946 in a swarm. */
  readonly listen: Address;
  /** The address peers dial; the port is the one listened on. */
  readonly advertiseIp: string;
  readonly keyring: Keyring;
  readonly logger: Logger;
  /** Control plane MTU; datagrams stay 100 bytes below it. */
  readonly mtu?: number;
  readonly clock?: Clock;
  /** Told each fact as it becomes known, after it is logged. It should note it, not act. */
  readonly onFact?: (fact: Fact) => void;
}

const DEFAULT_MTU = 1500;
/** What the reference keeps below the MTU for headers, and its smallest packet. */
const MTU_MARGIN = 100;
const MIN_PACKET_BYTES = 500;

/** A gossip node on the network: sockets, timers and keys around a `Core`. */
export interface GossipNode extends AsyncDisposable {
  /** Gossip name: drawn for this start, not the swarm node id. */
  readonly name: string;
  readonly address: Address;
  readonly tables: Tables;
  /** Looks for the cluster at these addresses, now and whenever it is lost. */
  readonly join: (addresses: readonly Address[]) => void;
  /** A new list from the manager: takes effect with the next packet. */
  readonly setKeyring: (keyring: Keyring) => void;
  /** How it is, in a few numbers: cheap enough to be asked several times a second in a large cluster. */
  readonly summary: () => GossipSummary;
  readonly view: () => GossipView;
  /** Says goodbye in the order peers need, and closes. At most seven seconds. */
  readonly leave: () => Promise<void>;
}

export async function startGossip(options: GossipOptions): Promise<GossipNode> {
  const { logger } = options;
  const clock = options.clock ?? systemClock;
  const stopped = new AbortController();
  let keyring = options.keyring;
  let isOpen = true;
  const nonce = nonceSource();
  const keys: StreamKeys = { keys: () => keyring.all, seal: frameSealer(() => keyring.primary, nonce) };
  const limit = new SourceLimit();
  const left = Promise.withResolvers<void>();
  // Datagrams may come between binding and the core's start.
  let core: Core | undefined;
  const replies = new Map<number, (message: Buffer | undefined) => void>();
  let requests = 0;
  const facts: Partial<Record<Fact['kind'], number>> = {};
  const heard = new LastHeard();
  const repeats = new Repeats();
  let cancelWake: () => void = () => undefined;
  let wakeAtMs = Number.POSITIVE_INFINITY;

  const step = (input: Input): void => {
    if (core === undefined || !isOpen) return;
    try {
      const { outputs, changes } = core.step(clock.monotonicMs(), input);
      carryOut(outputs);
      tables.changed(changes);
    } catch (error) {
      // A mistake of ours, found by one input, must not take the node's networks down with it.
      logger.error({ err: error, input: input.kind }, 'gossip failed to handle an input; it is dropped');
    }
    arm();
  };
  const arm = (): void => {
    const dueMs = core?.nextTickMs;
    if (dueMs === undefined || dueMs >= wakeAtMs || !isOpen) return;
    cancelWake();
    wakeAtMs = dueMs;
    const waitMs = dueMs - clock.monotonicMs();
    if (waitMs <= 0) {
      // Work that is due already waits for one round of input: a long backlog must not keep pings unanswered.
      const immediate = setImmediate(onTick);
      cancelWake = () => clearImmediate(immediate);
    } else {
      const timer = setTimeout(onTick, Math.ceil(waitMs));
      cancelWake = () => clearTimeout(timer);
    }
  };
  const onTick = (): void => {
    wakeAtMs = Number.POSITIVE_INFINITY;
    step({ kind: 'tick' });
    arm();
  };
  const carryOut = (outputs: readonly Output[]): void => {
    const known: Fact[] = [];
    let last: { readonly message: Buffer; readonly crc: boolean; readonly datagram: Buffer } | undefined;
    for (const output of outputs) {
      switch (output.kind) {
        case 'packet': {
          const { to, message, crc } = output;
          // Table gossip goes to three nodes, one after the other: the same datagram, as if it were sent again.
          if (last?.message !== message || last.crc !== crc) {
            last = { message, crc, datagram: sealPacket(message, crc, keyring.primary, nonce()) };
          }
          udp.send(to, last.datagram);
          break;
        }
        case 'stream':
          openStream(output);
          break;
        case 'reply':
          replies.get(output.id)?.(output.message);
          break;
        case 'fact':
          known.push(output.fact);
          break;
      }
    }
    if (known.length > 0) note(known);
  };
  const note = (known: readonly Fact[]): void => {
    const nowMs = clock.monotonicMs();
    const news = known.filter((fact) => repeats.isWorthTelling(fact, nowMs));
    for (const { level, message, fields } of tellAll(news)) logger[level](fields, message);
    for (const fact of known) {
      facts[fact.kind] = (facts[fact.kind] ?? 0) + 1;
      options.onFact?.(fact);
      if (fact.kind === 'left') left.resolve();
    }
  };
  const openStream = ({ id, to, message, wantsReply, timeoutMs }: Extract<Output, { kind: 'stream' }>): void => {
    sendStream(to, message, { ...keys, wantsReply, timeoutMs, signal: stopped.signal }).then(
      (reply) => step({ kind: 'stream-done', id, reply }),
      (error) => step({ kind: 'stream-failed', id, reason: errorText(error) }),
    );
  };
  const received = (datagram: Buffer, from: Address): void => {
    if (!limit.allows(from.ip, clock.monotonicMs())) return;
    try {
      const packet = openPacket(datagram, keyring.all);
      heard.note(from.ip, clock.monotonicMs());
      step({ kind: 'packet', from, packet });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      limit.failed(from.ip);
      logger.debug({ from: from.ip, reason: error.message }, 'gossip packet refused');
    }
  };
  const serve = async (message: Buffer): Promise<Buffer | undefined> => {
    const id = requests++;
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    replies.set(id, resolve);
    step({ kind: 'request', id, message });
    if (!core?.io.owes(id)) resolve(undefined); // without effect where the answer is there
    try {
      return await promise;
    } finally {
      replies.delete(id);
    }
  };
  const refused = (from: string, reason: string) => logger.debug({ from, reason }, 'gossip stream refused');

  await using stack = new AsyncDisposableStack();
  const streams = stack.use(
    await listened(options.listen, () => listenStreams(options.listen, { ...keys, serve, refused })),
  );
  // Both sockets have one port, whoever chose it.
  const listen = { ip: options.listen.ip, port: streams.port };
  const udp: Udp = stack.use(
    await listened(listen, () =>
      bindUdp(listen, received, (error) => logger.debug({ reason: error.message }, 'gossip datagram failed')),
    ),
  );
  const address = { ip: options.advertiseIp, port: listen.port };
  // An address that could be listened on is ours.
  if (options.listen.ip !== options.advertiseIp) warnIfForeign(options.advertiseIp, logger);
  const packetBytes = Math.max(MIN_PACKET_BYTES, (options.mtu ?? DEFAULT_MTU) - MTU_MARGIN);
  const started = new Core({ name: drawName(), address, packetBytes }, clock.monotonicMs(), Math.random);
  core = started;
  const tables = new Tables(started.db.state, step);
  const resources = stack.move();
  arm();
  logger.info({ node: started.config.name, listen: text(listen), advertise: text(address) }, 'gossip started');

  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    cancelWake();
    stopped.abort(new Error('gossip stopped'));
    await resources.disposeAsync();
  };
  return {
    name: started.config.name,
    address,
    tables,
    join: (addresses) => step({ kind: 'join', addresses }),
    setKeyring: (next) => {
      keyring = next;
    },
    summary: () => summaryOf(started, keyring.tags, facts),
    view: () => viewOf(started, keyring.tags, facts, (ip) => heard.ageMs(ip, clock.monotonicMs())),
    leave: async () => {
      step({ kind: 'leave' });
      await left.promise;
      await close();
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Twelve hex digits that are not a number: peers take such a name for a container's short id (spec gossip §2). */
function drawName(): string {
  for (;;) {
    const name = randomBytes(6).toString('hex');
    if (!/^\d+$/.test(name)) return name;
  }
}

/** Binding errors in words an operator can act on. */
async function listened<T>(listen: Address, bind: () => Promise<T>): Promise<T> {
  try {
    return await bind();
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) {
      throw new NetdError('gossip-port-in-use', `${text(listen)} is already in use`, {
        mend: 'Stop the other user of the port; an engine that is itself in swarm mode is one: "docker swarm leave".',
        cause: error,
      });
    }
    if (isErrno(error, 'EADDRNOTAVAIL')) {
      throw new NetdError('gossip-address-not-local', `${listen.ip} is not an address of this host`, {
        mend: `listen on one of ${localAddresses().join(', ')}, or on 0.0.0.0`,
        cause: error,
      });
    }
    const why = error instanceof Error ? `: ${error.message}` : '';
    throw new NetdError('gossip-listen-failed', `cannot listen on ${text(listen)}${why}`, {
      mend: 'Check that netd runs as root, and that no security policy keeps it from UDP and TCP on that port.',
      cause: error,
    });
  }
}

/** An advertised address of nobody here may be right behind a translating router, and is a mistake elsewhere. */
function warnIfForeign(ip: string, logger: Logger): void {
  const local = localAddresses();
  if (local.some((one) => one.split('=')[1] === ip)) return;
  logger.warn(
    { advertise: ip, local: local.join(' ') },
    'the advertised gossip address is not an address of this host',
  );
}

function localAddresses(): string[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(({ address }) => `${name}=${address}`),
  );
}
