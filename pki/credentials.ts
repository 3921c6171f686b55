import { createPrivateKey, type KeyObject } from 'node:crypto';
import { errorText, NetdError } from '#base/errors.ts';
import { swarmSubject } from './certificate-der.ts';
import { type Cert, extraAnchors, parseRootBundle, readCertificates, verifyPath } from './chain.ts';
import { decodePem, encodePem } from './pem.ts';

export type SwarmRole = 'worker' | 'manager';

/** Who this node is in the swarm, and whom it trusts: always whole and verified, never changed, only replaced. */
export interface Credentials {
  readonly nodeId: string;
  readonly clusterId: string;
  /** The role the certificate speaks of. netd is a worker whatever it says. */
  readonly role: SwarmRole;
  /** The trusted root bundle, byte for byte as the manager sent it. */
  readonly rootBundle: Uint8Array;
  /** The node's certificate followed by its intermediates, if any. */
  readonly certificatePem: string;
  /** PKCS#8. Secret: never log it. */
  readonly keyPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Hexadecimal, upper case, as `openssl x509 -serial` prints it. */
  readonly serial: string;
  /** The CA that signed the certificate: during a rotation not the trusted root but the CA to come. */
  readonly issuer: {
    /** Raw DER Name. */
    readonly subjectDer: Uint8Array;
    /** Raw DER SubjectPublicKeyInfo. */
    readonly publicKeyDer: Uint8Array;
  };
}

/** NodeTLSInfo (spec swarmkit-worker §2.8): a manager counts a node as rotated when this names the new CA. */
export interface TlsInfo {
  readonly trustRoot: Uint8Array;
  readonly certIssuerSubject: Uint8Array;
  readonly certIssuerPublicKey: Uint8Array;
}

export interface CredentialParts {
  readonly rootBundle: Uint8Array;
  readonly certificatePem: string;
  readonly keyPem: string;
}

const ROLES: ReadonlyMap<string, SwarmRole> = new Map([
  ['swarm-worker', 'worker'],
  ['swarm-manager', 'manager'],
]);

/**
 * Checks the three parts against each other and reads what they say: a path of signatures from the certificate to the bundle,
 * the key fitting the certificate, a subject as swarms write it.
 *
 * @throws NetdError `bad-root`, `bad-certificate`, `unknown-authority`, `certificate-expired`, `certificate-not-yet-valid`
 *   or `key-mismatch`
 */
export function parseCredentials(parts: CredentialParts, atMs: number): Credentials {
  const roots = parseRootBundle(parts.rootBundle, atMs);
  const [leaf, ...intermediates] = readCertificates(parts.certificatePem);
  if (leaf === undefined) throw new NetdError('bad-certificate', 'there is no certificate');
  const issuer = issuerOf(leaf, intermediates, roots, atMs);
  const key = readPrivateKey(parts.keyPem);
  if (!leaf.x509.checkPrivateKey(key)) {
    throw new NetdError('key-mismatch', 'the private key does not belong to the certificate');
  }
  const { organization, organizationalUnit, commonName } = swarmSubject(leaf.subjectDer);
  const role = ROLES.get(organizationalUnit);
  if (role === undefined || organization === '' || commonName === '') {
    throw new NetdError('bad-certificate', `the certificate is not a swarm node's: its subject is ${oneLine(leaf)}`);
  }
  return Object.freeze({
    nodeId: commonName,
    clusterId: organization,
    role,
    rootBundle: Uint8Array.from(parts.rootBundle),
    certificatePem: [leaf, ...intermediates].map((cert) => encodePem('CERTIFICATE', cert.x509.raw)).join(''),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    notBeforeMs: leaf.x509.validFromDate.getTime(),
    notAfterMs: leaf.x509.validToDate.getTime(),
    serial: leaf.x509.serialNumber,
    issuer: { subjectDer: Uint8Array.from(issuer.subjectDer), publicKeyDer: Uint8Array.from(issuer.publicKeyDer) },
  });
}

/** The same identity under another root bundle. @throws like parseCredentials, when it does not hold there */
export function withRootBundle(credentials: Credentials, rootBundle: Uint8Array, atMs: number): Credentials {
  const { certificatePem, keyPem } = credentials;
  return parseCredentials({ rootBundle, certificatePem, keyPem }, atMs);
}

/**
 * The moment nearest to `nowMs` at which every certificate here is alive: to look at an identity on a host whose clock is wrong, or
 * whose certificate has run out. A fresh swarm's root is younger than its leaves, which are backdated further.
 */
export function aliveMomentMs(parts: Pick<CredentialParts, 'rootBundle' | 'certificatePem'>, nowMs: number): number {
  const certs = [parts.certificatePem, Buffer.from(parts.rootBundle).toString('latin1')].flatMap(readCertificates);
  const from = Math.max(...certs.map((cert) => cert.x509.validFromDate.getTime()));
  const to = Math.min(...certs.map((cert) => cert.x509.validToDate.getTime()));
  return certs.length === 0 ? nowMs : Math.min(Math.max(nowMs, from), to);
}

export function tlsInfoOf({ rootBundle, issuer }: Credentials): TlsInfo {
  return { trustRoot: rootBundle, certIssuerSubject: issuer.subjectDer, certIssuerPublicKey: issuer.publicKeyDer };
}

export function sameTlsInfo(a: TlsInfo, b: TlsInfo): boolean {
  return (
    Buffer.compare(a.trustRoot, b.trustRoot) === 0 &&
    Buffer.compare(a.certIssuerSubject, b.certIssuerSubject) === 0 &&
    Buffer.compare(a.certIssuerPublicKey, b.certIssuerPublicKey) === 0
  );
}

/** True once the certificate has run out: managers then refuse the node, and only leaving and joining again helps. */
export function isExpired(credentials: Credentials, atMs: number): boolean {
  return atMs > credentials.notAfterMs;
}

/** The node's own intermediates that a trusted root has cross-signed: not empty while the cluster changes its root. */
export function ownAnchors(credentials: Credentials, atMs: number): readonly Cert[] {
  const [, ...intermediates] = readCertificates(credentials.certificatePem);
  return extraAnchors(intermediates, parseRootBundle(credentials.rootBundle, atMs), atMs);
}

function issuerOf(leaf: Cert, intermediates: readonly Cert[], roots: readonly Cert[], atMs: number): Cert {
  const verdict = verifyPath(leaf, intermediates, roots, atMs);
  const issuer = verdict.ok ? verdict.path[1] : undefined;
  if (issuer) return issuer;
  if (verdict.ok || verdict.problem === 'unknown-authority') {
    throw new NetdError('unknown-authority', 'the certificate is not signed by the trusted root CA');
  }
  const code = verdict.problem === 'expired' ? 'certificate-expired' : 'certificate-not-yet-valid';
  throw new NetdError(code, `the certificate of this node is out of its lifetime: ${verdict.text}`, {
    mend: 'Check the clock of this host; if it is right, leave the swarm and join again.',
  });
}

export function readPrivateKey(pem: string): KeyObject {
  // Going through DER drops header lines such as Docker's `kek-version`, which OpenSSL refuses.
  const [der] = decodePem(pem, 'PRIVATE KEY');
  try {
    if (der === undefined) throw new Error('it holds no PKCS#8 block');
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch (error) {
    throw new NetdError('bad-certificate', `the private key cannot be read: ${errorText(error)}`, { cause: error });
  }
}

function oneLine(cert: Cert): string {
  return JSON.stringify(cert.x509.subject.replaceAll('\n', ', '));
}
