import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { bytesToBase36, newSwarmId } from '#base/ids.ts';
import { encodePem } from '#pki/pem.ts';
import { buildCertificate, type Name } from './x509.ts';

export type Role = 'worker' | 'manager';

/** One signer: a certificate and its key. */
export interface Authority {
  readonly name: Name;
  readonly serial: Uint8Array;
  readonly key: KeyObject;
  readonly certificatePem: string;
}

/** What a leaf is to say; the defaults are what a swarm says. */
export interface LeafSpec {
  readonly publicKey: KeyObject;
  readonly nodeId: string;
  readonly role: Role;
  readonly organization?: string;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly signer?: Authority;
}

const HOUR_MS = 60 * 60 * 1_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

/**
 * The certificate authority of a swarm as its managers have it: root, join tokens, node certificates, and rotation to a new
 * root with everything that makes OpenSSL stumble (spec swarmkit-worker §1.1, §1.4, §1.11). No wire here: see services.ts.
 */
export class FakeCa {
  readonly clusterId: string;
  /** Lifetime of node certificates as an operator sets it; an hour of backdating and one of extension come on top. */
  expiryMs = 90 * 24 * HOUR_MS;
  #root: Authority;
  /** The CA to come and its certificate signed by the present root, while a rotation is under way. */
  #target: { readonly authority: Authority; readonly crossSignedPem: string } | undefined;
  /** All that the present root has cross-signed, also in rotations that another one has overtaken. */
  #crossSigned: string[] = [];
  #secrets = { worker: newSecret(), manager: newSecret() };

  constructor(clusterId: string = newSwarmId(), root: Authority = newRoot()) {
    this.clusterId = clusterId;
    this.#root = root;
  }

  /** The bytes GetRootCACertificate serves. */
  get rootBundle(): Buffer {
    return Buffer.from(this.#root.certificatePem);
  }

  get root(): Authority {
    return this.#root;
  }

  get rotating(): boolean {
    return this.#target !== undefined;
  }

  /** Who signs node certificates now. */
  get signer(): Authority {
    return this.#target?.authority ?? this.#root;
  }

  /** What follows a leaf in the payload: the cross-signed CA during a rotation. */
  get intermediatesPem(): string {
    return this.#target?.crossSignedPem ?? '';
  }

  /** What OpenSSL needs as anchors to find the paths that Go finds through the chains clients present. */
  get clientAnchors(): string[] {
    return [this.#root.certificatePem, ...this.#crossSigned];
  }

  token(role: Role, version: 1 | 2 = 1, fips = false): string {
    const digest = bytesToBase36(createHash('sha256').update(this.rootBundle).digest()).padStart(50, '0');
    const head = version === 1 ? 'SWMTKN-1' : `SWMTKN-2-${fips ? 1 : 0}`;
    return `${head}-${digest}-${this.#secrets[role]}`;
  }

  /** The role a join token admits now; undefined for a token that is not current. */
  roleOfToken(token: string): Role | undefined {
    const roles: readonly Role[] = ['worker', 'manager'];
    return roles.find((role) => [this.token(role), this.token(role, 2), this.token(role, 2, true)].includes(token));
  }

  rotateTokens(): void {
    this.#secrets = { worker: newSecret(), manager: newSecret() };
  }

  /** `docker swarm ca --rotate`: from now on the new CA signs, known to old nodes by its cross-signed certificate. */
  beginRotation(target: Authority = newRoot()): void {
    this.#target = { authority: target, crossSignedPem: crossSign(target, this.#root) };
    this.#crossSigned.push(this.#target.crossSignedPem);
  }

  /** All nodes have certificates of the new CA: it becomes the root, and the join tokens change. */
  finishRotation(): void {
    if (!this.#target) throw new Error('no rotation is under way');
    this.#root = this.#target.authority;
    this.#target = undefined;
    this.#crossSigned = [];
    this.rotateTokens();
  }

  /** A node certificate with what belongs after it, in PEM. */
  issue(spec: LeafSpec): string {
    const signer = spec.signer ?? this.signer;
    const unit = `swarm-${spec.role}`;
    const notBeforeMs = spec.notBeforeMs ?? Math.round(Date.now() / 60_000) * 60_000 - HOUR_MS;
    const leaf = buildCertificate({
      subject: { o: spec.organization ?? this.clusterId, ou: unit, cn: spec.nodeId },
      issuer: signer.name,
      publicKey: spec.publicKey,
      signingKey: signer.key,
      serial: newSerial(),
      notBeforeMs,
      notAfterMs: spec.notAfterMs ?? notBeforeMs + this.expiryMs + HOUR_MS,
      ca: false,
      dnsNames: [unit, spec.nodeId, ...(spec.role === 'manager' ? ['swarm-ca'] : [])],
      authorityKey: signer.key,
    });
    return encodePem('CERTIFICATE', leaf) + (spec.signer ? '' : this.intermediatesPem);
  }

  /** A node certificate with a fresh key, as managers have one each. */
  issueWithKey(
    nodeId: string,
    role: Role,
    overrides: Partial<LeafSpec> = {},
  ): { certificatePem: string; keyPem: string } {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return {
      certificatePem: this.issue({ publicKey: createPublicKey(privateKey), nodeId, role, ...overrides }),
      keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }
}

/** A root as swarm makes it: every one is called `CN=swarm-ca` and names no authority key. */
export function newRoot(
  options: { name?: Name; notBeforeMs?: number; notAfterMs?: number; pathLength?: number; rsaBits?: number } = {},
): Authority {
  const name = options.name ?? { cn: 'swarm-ca' };
  const { privateKey } =
    options.rsaBits === undefined
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: options.rsaBits });
  const serial = newSerial();
  const certificate = buildCertificate({
    subject: name,
    issuer: name,
    publicKey: privateKey,
    signingKey: privateKey,
    serial,
    notBeforeMs: options.notBeforeMs ?? Date.now() - HOUR_MS,
    notAfterMs: options.notAfterMs ?? Date.now() + 20 * YEAR_MS,
    ca: true,
    ...(options.pathLength === undefined ? {} : { pathLength: options.pathLength }),
  });
  return { name, serial, key: privateKey, certificatePem: encodePem('CERTIFICATE', certificate) };
}

/** The target's certificate signed by another CA, with the target's own subject and serial: OpenSSL's trap. */
export function crossSign(
  target: Authority,
  by: Authority,
  overrides: { notAfterMs?: number; ca?: boolean } = {},
): string {
  const certificate = buildCertificate({
    subject: target.name,
    issuer: by.name,
    publicKey: target.key,
    signingKey: by.key,
    serial: target.serial,
    notBeforeMs: Date.now() - HOUR_MS,
    notAfterMs: overrides.notAfterMs ?? Date.now() + YEAR_MS,
    ca: overrides.ca ?? true,
  });
  return encodePem('CERTIFICATE', certificate);
}

function newSecret(): string {
  return bytesToBase36(randomBytes(16)).padStart(25, '0');
}

/** Positive and without a leading zero byte, as DER integers have to be. */
function newSerial(): Uint8Array {
  return Buffer.concat([Buffer.from([0x40]), randomBytes(15)]);
}
