import { isIP } from 'node:net';
import { errorText, isNetdError } from '#base/errors.ts';
import {
  GOSSIP_SUBSYSTEM,
  IPSEC_SUBSYSTEM,
  type Keyring,
  type KeySet,
  keyringOf,
  keySetOf,
} from '#netd/gossip/keys/keyring.ts';
import { parseHostPort } from '#pki/address.ts';
import type { SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';
import type { EncryptionKey } from '#proto/gen/swarmkit/types_pb.js';

/** What the managers have last told this node about its network, apart from the networks themselves. */
export interface NetworkOrders {
  /** Undefined until the first keys have come. */
  readonly keys: NetworkKeys | undefined;
  /** Why the last list of keys makes no sense, if it does not; `keys` are then those of before. */
  readonly refusedKeys: string | undefined;
  /** IP addresses of the managers, sorted: whom to ask for the cluster. */
  readonly managers: readonly string[];
  /** The address the manager sees this node at; empty until it has said so. */
  readonly seenAt: string;
  readonly vxlanUdpPort: number | undefined;
}

/** Held in memory only, and never shown: `tags` may be. */
export interface NetworkKeys {
  readonly gossip: Keyring;
  /** Of encrypted networks; undefined if the manager sends none. */
  readonly ipsec: KeySet | undefined;
  /** Lamport times of all keys of the list. */
  readonly tags: ReadonlySet<bigint>;
}

export const NO_ORDERS: NetworkOrders = {
  keys: undefined,
  refusedKeys: undefined,
  managers: [],
  seenAt: '',
  vxlanUdpPort: undefined,
};

/** Takes a session message. What it does not mention stays as it was: managers leave out what has not changed. */
export function networkOrders(last: NetworkOrders, message: SessionMessage): NetworkOrders {
  const managers = [...new Set(message.managers.flatMap(({ peer }) => managerIp(peer?.addr ?? '')))].sort();
  return {
    ...judgedKeys(last.keys, message.networkBootstrapKeys),
    managers: managers.length > 0 ? managers : last.managers,
    seenAt: message.node?.status?.addr || last.seenAt,
    vxlanUdpPort: message.node?.vxlanUdpPort ?? last.vxlanUdpPort,
  };
}

/** A list that makes no sense must not cost us what we have: the other nodes may have refused it as well. */
function judgedKeys(
  last: NetworkKeys | undefined,
  list: readonly EncryptionKey[],
): Pick<NetworkOrders, 'keys' | 'refusedKeys'> {
  try {
    return { keys: keysOf(last, list), refusedKeys: undefined };
  } catch (error) {
    if (!isNetdError(error, 'bad-network-keys')) throw error;
    return { keys: last, refusedKeys: errorText(error) };
  }
}

/** A list counts only if it has a key not seen before: one that came by way of a manager lagging behind is no step back. */
function keysOf(last: NetworkKeys | undefined, list: readonly EncryptionKey[]): NetworkKeys | undefined {
  if (list.every((key) => last?.tags.has(key.lamportTime))) return last;
  const gossip = keySetOf(list, GOSSIP_SUBSYSTEM);
  const ipsec = keySetOf(list, IPSEC_SUBSYSTEM);
  if (gossip === undefined) return last;
  return { gossip: keyringOf(gossip), ipsec, tags: new Set(list.map((key) => key.lamportTime)) };
}

/** Managers advertise addresses, never names (spec gossip §9); what is none cannot be a bootstrap peer. */
function managerIp(addr: string): string[] {
  try {
    const { host } = parseHostPort(addr, 0);
    return isIP(host) === 0 ? [] : [host];
  } catch {
    return [];
  }
}
