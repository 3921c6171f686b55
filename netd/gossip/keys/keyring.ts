import { NetdError } from '#base/errors.ts';
import { isKeyLength } from '../wire/seal.ts';

/** One key as the manager hands it out with every session message (spec gossip §15). */
export interface ManagerKey {
  /** `networking:gossip` or `networking:ipsec`. */
  readonly subsystem: string;
  readonly key: Uint8Array;
  /** Tells old from new; one counter serves all subsystems. */
  readonly lamportTime: bigint;
}

/** The three keys of a subsystem, oldest first. */
export interface KeySet {
  readonly previous: ManagerKey;
  /** Encrypts. The next one is known to everybody before it becomes this. */
  readonly primary: ManagerKey;
  readonly next: ManagerKey;
}

/** What datagrams and streams are sealed and opened with. */
export interface Keyring {
  readonly primary: Uint8Array;
  /** Primary first: most traffic opens at the first try. */
  readonly all: readonly Uint8Array[];
  /** Lamport tags in the order of `all`: what may be shown of keys. */
  readonly tags: readonly bigint[];
}

export const GOSSIP_SUBSYSTEM = 'networking:gossip';
export const IPSEC_SUBSYSTEM = 'networking:ipsec';
const SUBSYSTEMS: readonly string[] = [GOSSIP_SUBSYSTEM, IPSEC_SUBSYSTEM];
const KEYS_EACH = 3;

/**
 * The three keys of one subsystem out of a manager's list, or undefined if the list has none of it. A list that names an
 * unknown subsystem, or has another number of keys than three, is refused as a whole: half a rotation is no rotation.
 */
export function keySetOf(keys: readonly ManagerKey[], subsystem: string): KeySet | undefined {
  for (const key of keys) {
    if (!SUBSYSTEMS.includes(key.subsystem)) {
      throw new NetdError('bad-network-keys', `the manager sent a key of unknown subsystem "${key.subsystem}"`);
    }
    if (!isKeyLength(key.key.length)) {
      throw new NetdError('bad-network-keys', `the manager sent a ${key.subsystem} key of ${key.key.length} bytes`);
    }
  }
  const ours = keys.filter((key) => key.subsystem === subsystem);
  if (ours.length === 0) return undefined;
  const [previous, primary, next] = ours.toSorted((a, b) => (a.lamportTime < b.lamportTime ? -1 : 1));
  if (ours.length !== KEYS_EACH || !previous || !primary || !next) {
    throw new NetdError(
      'bad-network-keys',
      `the manager sent ${ours.length} keys of ${subsystem}, expected ${KEYS_EACH}`,
    );
  }
  return { previous, primary, next };
}

/**
 * The ring of a key set. A new list replaces the ring as a whole: a node that missed rotations is up to date with the
 * first list it hears, where the reference applies only the last key added and removed.
 */
export function keyringOf({ previous, primary, next }: KeySet): Keyring {
  const ring = [primary, previous, next];
  return {
    primary: primary.key,
    all: ring.map((key) => key.key),
    tags: ring.map((key) => key.lamportTime),
  };
}
