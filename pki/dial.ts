import { checkServerIdentity } from 'node:tls';
import { type Client, ChannelCredentials as GrpcCredentials, type VerifyOptions } from '@grpc/grpc-js';
import { errorText, NetdError } from '#base/errors.ts';
import { CA } from '#proto/gen/swarmkit/ca_pb.js';
import { callUnary } from '#proto/grpc.ts';
import { type ManagerAddress, parseManagerAddress } from './address.ts';
import { type Cert, parseRootBundle, readCertificate } from './chain.ts';
import { type Credentials, isExpired, ownAnchors } from './credentials.ts';
import { judgeProbe, notAManager, organizationProblem, unreachable } from './dial-verdict.ts';
import { connectManager } from './manager-client.ts';
import { encodePem } from './pem.ts';
import { probe } from './probe.ts';

/** Names a manager's certificate carries: the first for every ordinary connection, the second while joining. */
export type ServerName = 'swarm-manager' | 'swarm-ca';

export interface DialTarget {
  /** `HOST[:PORT]` */
  readonly address: string;
  readonly serverName: ServerName;
  readonly rootBundle: Uint8Array;
  /** Who we are; left out while joining, when there is no certificate yet. */
  readonly credentials?: Credentials;
}

export interface DialLimits {
  /** Longest time until the connection stands, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Connects to a manager and verifies it: path to the root bundle, name, cluster. The client returned is connected; close it when
 * done with it, and after the first failed call, since SwarmKit wants a manager selected anew rather than a silent reconnect.
 *
 * A chain that OpenSSL refuses gets a second look by signatures (spec swarmkit-worker §1.11), and one more connection with the
 * cross-signed CA as a further anchor; every connection made is verified in full by OpenSSL.
 *
 * @throws NetdError `bad-address`, `manager-unreachable`, `not-a-manager`, `wrong-ca`, `other-cluster`,
 *   `manager-certificate-expired`, `certificate-expired` (ours), `certificate-refused` (ours), `bad-root`; or `signal.reason`
 */
export async function dialManager(target: DialTarget, limits: DialLimits): Promise<Client> {
  const address = parseManagerAddress(target.address);
  const roots = parseRootBundle(target.rootBundle, Date.now());
  const { credentials } = target;
  return withDeadline(address, limits, async (signal) => {
    const attempt = (anchors: readonly Cert[]) =>
      connectManager(address, target.serverName, secure(target, anchors), signal);
    const own = credentials ? ownAnchors(credentials, Date.now()) : [];
    const first = await attempt(own);
    if (first.connected) return first.client;

    const found = await probe(address, target.serverName, signal);
    const expected = { address, serverName: target.serverName, roots, clusterId: credentials?.clusterId };
    const verdict = judgeProbe(found, expected, Date.now());
    if (verdict.kind === 'failed') throw verdict.error;
    if (verdict.kind === 'trusted') throw refused(address, credentials, first.problem);
    const second = await attempt([...own, ...verdict.anchors]);
    if (second.connected) return second.client;
    throw refused(address, credentials, second.problem);
  });
}

/**
 * Asks for the cluster's root bundle on a connection that verifies nothing: the caller compares the digest of the bytes with
 * the one in its join token before believing or sending anything (spec swarmkit-worker §1.2).
 *
 * @throws NetdError `bad-address`, `manager-unreachable` or `not-a-manager`; or `signal.reason`
 */
export async function downloadRootBundle(addressText: string, limits: DialLimits): Promise<Uint8Array> {
  const address = parseManagerAddress(addressText);
  return withDeadline(address, limits, async (signal) => {
    const unverified = GrpcCredentials.createSsl(null, null, null, { rejectUnauthorized: false });
    const opened = await connectManager(address, 'swarm-ca', unverified, signal);
    if (!opened.connected) {
      const found = await probe(address, 'swarm-ca', signal);
      const verdict = judgeProbe(
        found,
        { address, serverName: 'swarm-ca', roots: [], clusterId: undefined },
        Date.now(),
      );
      // Whatever has no TLS gets its own error here; a TLS server that then speaks no HTTP/2 is none of ours either.
      if (found.kind !== 'tls' && verdict.kind === 'failed') throw verdict.error;
      throw notAManager(address, `it does not speak gRPC (${opened.problem})`);
    }
    try {
      return (await callUnary(opened.client, CA.method.getRootCACertificate, {}, { signal })).certificate;
    } catch (error) {
      signal.throwIfAborted();
      throw notAManager(address, `it does not hand out a root CA (${errorText(error)})`);
    } finally {
      opened.client.close();
    }
  });
}

function secure({ rootBundle, credentials }: DialTarget, anchors: readonly Cert[]): GrpcCredentials {
  const bundle = Buffer.from(rootBundle).toString('latin1');
  const ca = Buffer.from([bundle, ...anchors.map((cert) => encodePem('CERTIFICATE', cert.x509.raw))].join('\n'));
  const verify: VerifyOptions = {
    checkServerIdentity: (name, certificate) =>
      checkServerIdentity(name, certificate) ?? organizationError(certificate.raw, credentials?.clusterId),
  };
  if (!credentials) return GrpcCredentials.createSsl(ca, null, null, verify);
  const { keyPem, certificatePem } = credentials;
  return GrpcCredentials.createSsl(ca, Buffer.from(keyPem), Buffer.from(certificatePem), verify);
}

function organizationError(leafDer: Buffer, clusterId: string | undefined): Error | undefined {
  const problem = organizationProblem(readCertificate(leafDer), clusterId);
  return problem === undefined ? undefined : new Error(problem);
}

/** The manager is what it should be, yet the connection failed: it is our certificate, or the manager is in trouble. */
function refused(address: ManagerAddress, credentials: Credentials | undefined, problem: string): NetdError {
  if (credentials && isExpired(credentials, Date.now())) {
    const expiredAt = new Date(credentials.notAfterMs).toISOString();
    return new NetdError('certificate-expired', `the certificate of this node expired at ${expiredAt}`, {
      mend: 'Leave the swarm and join again; if the clock of this host is wrong, set it right.',
      cause: new Error(problem),
    });
  }
  if (credentials && /alert/.test(problem)) {
    return new NetdError('certificate-refused', `the manager at ${address.text} refuses the certificate of this node`, {
      mend: 'Compare the clocks of both hosts; if they are right, leave the swarm and join again.',
      cause: new Error(problem),
    });
  }
  return unreachable(address, problem);
}

async function withDeadline<T>(
  address: ManagerAddress,
  { timeoutMs, signal }: DialLimits,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    return await work(signal ? AbortSignal.any([signal, deadline]) : deadline);
  } catch (error) {
    if (deadline.aborted && error === deadline.reason) {
      throw unreachable(address, `it did not answer within ${timeoutMs / 1000} s`, error);
    }
    throw error;
  }
}
