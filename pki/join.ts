import { getFips } from 'node:crypto';
import type { Clock } from '#base/clock.ts';
import { errorChain, isNetdError, NetdError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { NodeSpec_Availability } from '#proto/gen/swarmkit/types_pb.js';
import { parseManagerAddress } from './address.ts';
import { CA_TIMEOUT_MS, caConnector } from './ca-connection.ts';
import { parseRootBundle, sha256Hex } from './chain.ts';
import { type Credentials, parseCredentials } from './credentials.ts';
import { createSigningRequest } from './csr.ts';
import { dialManager, downloadRootBundle } from './dial.ts';
import { clusterMandatesFips, refuseMissingFips } from './fips.ts';
import { issueCertificate } from './issue.ts';
import type { Remotes } from './remotes.ts';
import type { JoinToken } from './token.ts';
import { PEER_WEIGHT } from './weights.ts';

export type Availability = 'active' | 'pause' | 'drain';

export interface JoinOptions {
  readonly token: JoinToken;
  /** `HOST[:PORT]` of one manager or more. */
  readonly addresses: readonly string[];
  readonly availability: Availability;
  /** Receives the addresses, and how each manager did. */
  readonly remotes: Remotes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Whether this runtime is in FIPS mode; by default what `crypto.getFips()` says. */
  readonly fips?: boolean;
  /** Told of every step and every failure that is not the end, for whoever watches. */
  readonly onProgress?: (progress: JoinProgress) => void;
}

/** How far a join has come. */
export interface JoinProgress {
  /** `root-ca`: fetching and pinning the root; `certificate`: asking for one. */
  readonly step: 'root-ca' | 'certificate';
  /** Connections begun in this step. */
  readonly attempt: number;
  /** The manager being tried, `host:port`. */
  readonly address: string;
  /** What went wrong last in this step, if anything did. */
  readonly lastError: string | null;
}

/** Attempts to download the root, and the pause between attempts of either step (spec swarmkit-worker §1.2). */
const DOWNLOAD_ATTEMPTS = 5;
const PAUSE_MS = 2_000;

const AVAILABILITIES = {
  active: NodeSpec_Availability.ACTIVE,
  pause: NodeSpec_Availability.PAUSE,
  drain: NodeSpec_Availability.DRAIN,
} as const satisfies Record<Availability, NodeSpec_Availability>;

/**
 * Joins a swarm: root CA pinned by the token's digest, a certificate from the swarm's CA, everything verified (spec
 * swarmkit-worker §1.2). The token goes only to a server certified by the pinned root. Nothing is written: the caller stores
 * the credentials, which are whole.
 *
 * @throws NetdError `fips-required`, `bad-address`, `wrong-ca` (the digest is another), `token-refused`, `manager-token`,
 *   `certificate-not-issued`, and those of dialManager and parseCredentials; or `signal.reason`
 */
export async function joinCluster(options: JoinOptions, signal: AbortSignal): Promise<Credentials> {
  const { token, remotes, log, clock } = options;
  const fips = options.fips ?? getFips() === 1;
  refuseMissingFips(token.fips, fips);
  const addresses = options.addresses.map((address) => parseManagerAddress(address).text);
  for (const addr of addresses) remotes.observe({ nodeId: '', addr }, PEER_WEIGHT);

  const rootBundle = await fetchPinnedRoot(options, signal);
  log.info({ rootDigest: token.digestHex }, 'root CA matches the join token');
  const { keyPem, csrPem } = await createSigningRequest();
  const availability = AVAILABILITIES[options.availability];
  const progress = progressOf('certificate', options);
  const connect = caConnector(remotes, (address, limits) => {
    progress.attempt(address);
    return dialManager({ address, serverName: 'swarm-ca', rootBundle }, limits);
  });
  const request = { csrPem, token: token.text, availability, connect, pauseMs: PAUSE_MS, onSetback: progress.setback };
  const issued = await issueCertificate(request, options, signal);
  const credentials = parseCredentials({ rootBundle, certificatePem: issued.certificatePem, keyPem }, clock.now());
  if (credentials.role === 'manager') throw managerToken(credentials.nodeId);
  refuseMissingFips(clusterMandatesFips(credentials.clusterId), fips);
  return credentials;
}

/** Tries managers until one hands out the root bundle the token names. An address that hands out another is not asked again. */
async function fetchPinnedRoot(options: JoinOptions, signal: AbortSignal): Promise<Uint8Array> {
  const { token, remotes, clock, log } = options;
  const mismatched = new Set<string>();
  const progress = progressOf('root-ca', options);
  let excluding: string | undefined;
  for (let attempt = 1; ; attempt++) {
    const peer = remotes.select(excluding);
    progress.attempt(peer.addr);
    try {
      const bundle = await downloadRootBundle(peer.addr, { timeoutMs: CA_TIMEOUT_MS, signal });
      checkDigest(bundle, token, peer.addr);
      parseRootBundle(bundle, clock.now());
      return bundle;
    } catch (error) {
      signal.throwIfAborted();
      remotes.observe(peer, -PEER_WEIGHT);
      excluding = peer.addr;
      if (isNetdError(error, 'wrong-ca') || isNetdError(error, 'bad-root')) mismatched.add(peer.addr);
      const hopeless = remotes.peers().every(({ addr }) => mismatched.has(addr));
      if (hopeless || attempt === DOWNLOAD_ATTEMPTS) throw error;
      progress.setback(error);
      log.warn(
        { attempt, attempts: DOWNLOAD_ATTEMPTS, manager: peer.addr, error: errorChain(error) },
        'no root CA, trying again',
      );
    }
    await clock.sleep(PAUSE_MS, signal);
  }
}

function progressOf(step: JoinProgress['step'], { onProgress }: JoinOptions) {
  let progress: JoinProgress = { step, attempt: 0, address: '', lastError: null };
  const tell = (change: Partial<JoinProgress>) => {
    progress = Object.freeze({ ...progress, ...change });
    onProgress?.(progress);
  };
  return {
    attempt: (address: string) => tell({ attempt: progress.attempt + 1, address }),
    setback: (error: unknown) => tell({ lastError: errorChain(error) }),
  };
}

function checkDigest(bundle: Uint8Array, token: JoinToken, address: string): void {
  const digest = sha256Hex(bundle);
  if (digest === token.digestHex) return;
  const detail = `the token names the root CA ${token.digestHex}, the manager has ${digest}`;
  throw new NetdError('wrong-ca', `the root CA of ${address} is not the one the join token names: ${detail}`, {
    mend: 'The token is mistyped, of another swarm, or older than the last CA rotation: take the one `docker swarm join-token worker` prints now.',
  });
}

/** The manager alone knows what a token admits, so this comes out only with the certificate. */
function managerToken(nodeId: string): NetdError {
  return new NetdError('manager-token', 'the join token admits a manager, and netd is a worker only', {
    mend: `Use the token of \`docker swarm join-token worker\`, and remove the unused entry: docker node rm --force ${nodeId}.`,
  });
}
