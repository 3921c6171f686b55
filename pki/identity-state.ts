import { X509Certificate } from 'node:crypto';
import { parseRootBundle } from './chain.ts';
import { aliveMomentMs, type Credentials, isExpired, ownAnchors, type SwarmRole } from './credentials.ts';
import { decodePem } from './pem.ts';

/** How the last attempt to renew went. */
export interface RenewalAttempt {
  readonly atMs: number;
  readonly reason: string;
  /** Undefined when it succeeded. */
  readonly error: string | undefined;
  readonly mend: string | undefined;
}

/** The identity as a person is shown it: no secrets in it. */
export interface IdentityState {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: SwarmRole;
  /** Hexadecimal. */
  readonly serial: string;
  /** Issuer name in one line, such as `CN=swarm-ca`. */
  readonly issuer: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly expired: boolean;
  /** True when this host's clock says the certificate is of the future. */
  readonly notYetValid: boolean;
  readonly rootFingerprints: readonly string[];
  /** SHA-256 fingerprints of CAs a trusted root has cross-signed and this node's certificate builds on. */
  readonly extraAnchorFingerprints: readonly string[];
  /** The swarm is changing its root CA, as far as this node can tell. */
  readonly rotating: boolean;
  /** The moment planned for the next renewal; undefined until the renewal loop runs. */
  readonly nextRenewalAtMs: number | undefined;
  /** Why a renewal is wanted before its time, if it is. */
  readonly renewalWanted: string | undefined;
  readonly failures: number;
  readonly lastAttempt: RenewalAttempt | undefined;
  /** What is wrong with this identity and what to do about it, most pressing first. */
  readonly problems: readonly string[];
}

export interface RenewalFacts {
  readonly nextRenewalAtMs: number | undefined;
  readonly renewalWanted: string | undefined;
  readonly failures: number;
  readonly lastAttempt: RenewalAttempt | undefined;
}

/** The frozen view of an identity at a moment. */
export function identityState(credentials: Credentials, renewal: RenewalFacts, nowMs: number): IdentityState {
  const { nodeId, clusterId, role, serial, notBeforeMs, notAfterMs } = credentials;
  const aliveMs = aliveMomentMs(credentials, nowMs);
  const anchors = ownAnchors(credentials, aliveMs).map((cert) => cert.x509.fingerprint256);
  return Object.freeze({
    nodeId,
    clusterId,
    role,
    serial,
    issuer: issuerText(credentials),
    notBeforeMs,
    notAfterMs,
    expired: isExpired(credentials, nowMs),
    notYetValid: nowMs < notBeforeMs,
    rootFingerprints: parseRootBundle(credentials.rootBundle, aliveMs).map((root) => root.x509.fingerprint256),
    extraAnchorFingerprints: anchors,
    rotating: anchors.length > 0,
    ...renewal,
    problems: problemsOf(credentials, renewal, nowMs),
  });
}

function problemsOf(credentials: Credentials, { lastAttempt }: RenewalFacts, nowMs: number): readonly string[] {
  const { nodeId, notBeforeMs, notAfterMs, role } = credentials;
  const problems: string[] = [];
  if (isExpired(credentials, nowMs)) {
    const when = new Date(notAfterMs).toISOString();
    problems.push(
      `The certificate expired at ${when}. Leave the swarm and join again; if the clock is wrong, set it right.`,
    );
  }
  if (nowMs < notBeforeMs) {
    problems.push(
      `The certificate is not valid before ${new Date(notBeforeMs).toISOString()}. Check the clock of this host.`,
    );
  }
  if (lastAttempt?.error !== undefined) {
    problems.push(
      ['The certificate could not be renewed', lastAttempt.error, lastAttempt.mend].filter(Boolean).join(': '),
    );
  }
  if (role === 'manager') {
    // `docker node demote` fails for a node that is not in the managers' raft group.
    problems.push(
      `The node was promoted and holds a manager's certificate, but netd is a worker only. To undo it, leave the swarm, run docker node rm --force ${nodeId} on a manager, and join again.`,
    );
  }
  return problems;
}

function issuerText({ certificatePem }: Credentials): string {
  const [der] = decodePem(certificatePem, 'CERTIFICATE');
  return der === undefined ? '' : new X509Certificate(der).issuer.replaceAll('\n', ', ');
}
