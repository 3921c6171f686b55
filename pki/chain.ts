import { createHash, X509Certificate } from 'node:crypto';
import { errorText, NetdError } from '#base/errors.ts';
import { type CertificateFields, certificateFields } from './certificate-der.ts';
import { decodePem } from './pem.ts';

/**
 * Which certificates to believe. Issuers are found by verifying signatures, never by name and serial alone: every CA a swarm
 * makes is called `CN=swarm-ca`, and a cross-signed CA repeats its twin's subject, issuer name and serial
 * (spec swarmkit-worker §1.11). What does not verify is not believed.
 */

/** A certificate with the parts of it that decide. */
export interface Cert extends CertificateFields {
  readonly x509: X509Certificate;
}

export type PathVerdict =
  | { readonly ok: true; readonly path: readonly Cert[] } // leaf first, trusted root last
  | { readonly ok: false; readonly problem: PathProblem; readonly text: string };

export type PathProblem = 'expired' | 'not-yet-valid' | 'unknown-authority';

/** Deepest chain looked at, leaf and root included; swarm chains have two or three certificates. */
const MAX_PATH = 6;
/** Signatures checked in one search; a peer may present CAs that could all have signed one another. */
const MAX_SIGNATURE_CHECKS = 100;
/** Most certificates taken from one PEM text or one peer: bounds the search. */
export const MAX_CERTIFICATES = 32;
/** A root bundle is one or two certificates of under 2 KiB. */
export const MAX_BUNDLE_BYTES = 256 * 1024;

/** SHA-256/384/512 with RSA or ECDSA: what swarm CAs may sign with (spec swarmkit-worker §0.3). */
const ACCEPTED_SIGNATURES = new Set([
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
]);
const MIN_RSA_BITS = 2048;

/** @throws Error when the bytes are no certificate. */
export function readCertificate(der: Uint8Array): Cert {
  return { x509: new X509Certificate(der), ...certificateFields(der) };
}

/** Every certificate in the PEM text, in order. @throws NetdError `bad-certificate` */
export function readCertificates(pem: string): Cert[] {
  const blocks = decodePem(pem, 'CERTIFICATE');
  if (blocks.length > MAX_CERTIFICATES) {
    throw new NetdError('bad-certificate', `there are ${blocks.length} certificates, more than ${MAX_CERTIFICATES}`);
  }
  try {
    return blocks.map(readCertificate);
  } catch (error) {
    throw new NetdError('bad-certificate', `a certificate cannot be read: ${errorText(error)}`, { cause: error });
  }
}

/**
 * Reads a cluster's root bundle: one or more self-signed CAs, all within their lifetime.
 *
 * @throws NetdError `bad-root` saying which certificate is not acceptable and why
 */
export function parseRootBundle(pem: Uint8Array, atMs: number): readonly Cert[] {
  if (pem.length > MAX_BUNDLE_BYTES) throw badRoot(`it has ${pem.length} bytes, more than ${MAX_BUNDLE_BYTES}`);
  let roots: Cert[];
  try {
    roots = readCertificates(Buffer.from(pem).toString('latin1'));
  } catch (error) {
    throw badRoot(errorText(error), error);
  }
  if (roots.length === 0) throw badRoot('it holds no certificate');
  for (const [index, root] of roots.entries()) {
    const problem = rootProblem(root, atMs);
    if (problem) throw badRoot(`certificate ${index + 1} of ${roots.length} ${problem}`);
  }
  return roots;
}

/**
 * Looks for a path of valid signatures from the leaf over some of the intermediates to a root, every certificate of it within
 * its lifetime at `atMs` and every issuer a CA.
 */
export function verifyPath(
  leaf: Cert,
  intermediates: readonly Cert[],
  roots: readonly Cert[],
  atMs: number,
): PathVerdict {
  const outside = lifetimeProblem(leaf, atMs);
  if (outside) return { ok: false, problem: outside, text: lifetimeText(leaf, outside) };
  const search = {
    intermediates: intermediates.slice(0, MAX_CERTIFICATES),
    roots,
    atMs,
    checksLeft: MAX_SIGNATURE_CHECKS,
  };
  const path = climb([leaf], search);
  if (path) return { ok: true, path };
  return { ok: false, problem: 'unknown-authority', text: 'the certificate is signed by an unknown authority' };
}

/**
 * The presented CAs that a trusted root itself has signed and that are not roots already: safe to hand to OpenSSL as further
 * anchors. Without them OpenSSL takes a cross-signed CA for an unknown self-signed one and refuses the chain
 * (spec swarmkit-worker §1.11). They hold only as long as the roots that signed them: never store them.
 */
export function extraAnchors(presented: readonly Cert[], roots: readonly Cert[], atMs: number): readonly Cert[] {
  return presented
    .slice(0, MAX_CERTIFICATES)
    .filter((cert) => !roots.some((root) => sameCert(root, cert)))
    .filter((cert) => roots.some((root) => isIssuer(root, cert, 0, atMs) && root.pathLength !== 0))
    .filter((cert) => cert.x509.ca && lifetimeProblem(cert, atMs) === undefined);
}

/** SHA-256 of the bytes, lower-case hexadecimal: how a join token names a root bundle. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface Search {
  readonly intermediates: readonly Cert[];
  readonly roots: readonly Cert[];
  readonly atMs: number;
  checksLeft: number;
}

function climb(path: readonly Cert[], search: Search): readonly Cert[] | undefined {
  const top = path.at(-1);
  if (top === undefined || path.length >= MAX_PATH) return undefined;
  const fits = (candidate: Cert) => {
    if (search.checksLeft <= 0) return false;
    search.checksLeft -= 1;
    return isIssuer(candidate, top, path.length - 1, search.atMs);
  };
  const root = search.roots.find(fits);
  if (root) return [...path, root];
  for (const candidate of search.intermediates) {
    if (path.some((cert) => sameCert(cert, candidate)) || !fits(candidate)) continue;
    const whole = climb([...path, candidate], search);
    if (whole) return whole;
  }
  return undefined;
}

/** True if `issuer` is a living CA, allowed this many CAs below it, whose key made the signature on `cert`. */
function isIssuer(issuer: Cert, cert: Cert, casBelow: number, atMs: number): boolean {
  return (
    issuer.x509.ca &&
    issuer.subjectDer.equals(cert.issuerDer) &&
    casBelow <= (issuer.pathLength ?? Number.POSITIVE_INFINITY) &&
    lifetimeProblem(issuer, atMs) === undefined &&
    isSignedBy(cert, issuer)
  );
}

function isSignedBy(cert: Cert, issuer: Cert): boolean {
  if (!ACCEPTED_SIGNATURES.has(cert.x509.signatureAlgorithmOid)) return false;
  try {
    const key = issuer.x509.publicKey;
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) return false;
    return cert.x509.verify(key);
  } catch {
    return false; // a key OpenSSL cannot read verifies nothing
  }
}

function rootProblem(root: Cert, atMs: number): string | undefined {
  if (!root.x509.ca) return 'is not a CA';
  const outside = lifetimeProblem(root, atMs);
  if (outside) return `is out of its lifetime: ${lifetimeText(root, outside)}`;
  if (!root.subjectDer.equals(root.issuerDer) || !isSignedBy(root, root)) {
    return 'is not self-signed with SHA-2 by an RSA key of 2048 bits or an elliptic-curve key';
  }
  return undefined;
}

export function lifetimeProblem(cert: Cert, atMs: number): 'expired' | 'not-yet-valid' | undefined {
  if (atMs < cert.x509.validFromDate.getTime()) return 'not-yet-valid';
  if (atMs > cert.x509.validToDate.getTime()) return 'expired';
  return undefined;
}

function lifetimeText(cert: Cert, problem: 'expired' | 'not-yet-valid'): string {
  return problem === 'expired'
    ? `it expired at ${cert.x509.validToDate.toISOString()}`
    : `it is not valid before ${cert.x509.validFromDate.toISOString()}`;
}

function sameCert(a: Cert, b: Cert): boolean {
  return a.x509.raw.equals(b.x509.raw);
}

function badRoot(problem: string, cause?: unknown): NetdError {
  return new NetdError('bad-root', `the root CA bundle is not acceptable: ${problem}`, {
    mend: 'Check the clock of this host; if it is right, the root CA of the swarm has to be replaced.',
    cause,
  });
}
