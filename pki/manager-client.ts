import type { Socket } from 'node:net';
import { type ChannelCredentials, type ChannelOptions, Client, connectivityState } from '@grpc/grpc-js';
import { errorText } from '#base/errors.ts';
import { CA } from '#proto/gen/swarmkit/ca_pb.js';
import { callUnary } from '#proto/grpc.ts';
import type { ManagerAddress } from './address.ts';

export type Connected =
  | { readonly connected: true; readonly client: Client }
  | { readonly connected: false; readonly problem: string };

/** Spec swarmkit-worker App. B says why for each. */
const CHANNEL_OPTIONS: ChannelOptions = {
  // One COMPLETE assignment carries every secret and config of the node.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // Managers are dialled directly, whatever the environment says.
  'grpc.enable_http_proxy': 0,
  // One connection per client: closing it must not touch, nor be kept open by, another.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  'grpc.service_config_disable_resolution': 1,
};

/** What a closed client still gets to say: the end of its streams and of the connection. */
const CLOSE_GRACE_MS = 1_000;

/** One connection attempt, up to and including the server's HTTP/2 settings; Go sends those only to a client it accepts. */
export async function connectManager(
  address: ManagerAddress,
  serverName: string,
  credentials: ChannelCredentials,
  signal: AbortSignal,
): Promise<Connected> {
  const client = new ManagerClient(grpcTarget(address), credentials, serverName);
  try {
    if (await isConnected(client, signal)) return { connected: true, client };
    const problem = await lastError(client, signal);
    client.abandon();
    return { connected: false, problem };
  } catch (error) {
    client.abandon();
    throw error;
  }
}

/**
 * A gRPC client that leaves no socket behind. grpc-js forgets a connection it is still making when the client is closed, and waits
 * without limit for the other side to end one it has made: with a host that has stopped answering, each attempt would cost a
 * descriptor for good.
 */
class ManagerClient extends Client {
  readonly #sockets: Set<Socket>;

  constructor(target: string, credentials: ChannelCredentials, serverName: string) {
    const sockets = new Set<Socket>();
    const options = { ...CHANNEL_OPTIONS, 'grpc.ssl_target_name_override': serverName };
    super(target, trackSockets(credentials, sockets), options);
    this.#sockets = sockets;
  }

  override close(): void {
    super.close();
    setTimeout(() => this.#sever(), CLOSE_GRACE_MS).unref();
  }

  /** Closes without a word. */
  abandon(): void {
    super.close();
    this.#sever();
  }

  #sever(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Keeps every TCP socket of the channel in the set as long as it is open. The credentials must be this channel's own. */
function trackSockets(credentials: ChannelCredentials, sockets: Set<Socket>): ChannelCredentials {
  const createConnector = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...args) => {
    const connector = createConnector(...args);
    const connect = connector.connect.bind(connector);
    connector.connect = (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return connect(socket);
    };
    return connector;
  };
  return credentials;
}

/** True once connected, false at the first failure: grpc-js itself would go on trying. */
function isConnected(client: Client, signal: AbortSignal): Promise<boolean> {
  const channel = client.getChannel();
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const look = () => {
      if (signal.aborted) return;
      const state = channel.getConnectivityState(true);
      const undecided = state === connectivityState.IDLE || state === connectivityState.CONNECTING;
      if (undecided) return channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look);
      signal.removeEventListener('abort', onAbort);
      resolve(state === connectivityState.READY);
    };
    look();
  });
}

/** A call on a channel that has failed fails at once, with the reason: the channel tells it in no other way. */
async function lastError(client: Client, signal: AbortSignal): Promise<string> {
  try {
    await callUnary(client, CA.method.getRootCACertificate, {}, { signal });
    return 'the connection failed once';
  } catch (error) {
    signal.throwIfAborted();
    return errorText(error)
      .replace(/^.*Last error: (Error: )?/, '')
      .replace(/\. Resolution note:.*$/, '');
  }
}

/** grpc-js picks its resolver by the scheme; an IP address must not go through DNS. */
function grpcTarget({ host, text }: ManagerAddress): string {
  if (host.includes(':')) return `ipv6:${text}`;
  return /^[\d.]+$/.test(host) ? `ipv4:${text}` : `dns:${text}`;
}
