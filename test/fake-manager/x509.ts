import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto';
import forge from 'node-forge';

/**
 * Issues certificates, good ones and bad ones: every field is the caller's to set. For tests only. node-forge writes the DER,
 * node:crypto does the rest.
 */

export interface Name {
  readonly o?: string;
  readonly ou?: string;
  readonly cn?: string;
}

export interface CertificateSpec {
  readonly subject: Name;
  readonly issuer: Name;
  readonly publicKey: KeyObject;
  /** The issuer's private key. */
  readonly signingKey: KeyObject;
  readonly serial: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly ca: boolean;
  readonly pathLength?: number;
  readonly dnsNames?: readonly string[];
  /** Present: the extension is written. */
  readonly authorityKey?: KeyObject;
  readonly digest?: 'sha1' | 'sha256' | 'sha384';
}

const { asn1 } = forge;
const { Class, Type } = asn1;

const EC_SIGNATURE_OIDS = {
  sha1: '1.2.840.10045.4.1',
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
} as const;
const RSA_SIGNATURE_OIDS = {
  sha1: '1.2.840.113549.1.1.5',
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
} as const;

export function buildCertificate(spec: CertificateSpec): Buffer {
  const digest = spec.digest ?? 'sha256';
  const oids = spec.signingKey.asymmetricKeyType === 'rsa' ? RSA_SIGNATURE_OIDS : EC_SIGNATURE_OIDS;
  const algorithm = sequence(oid(oids[digest]));
  const tbs = sequence(
    context(0, primitive(Type.INTEGER, '\x02')),
    primitive(Type.INTEGER, binary(spec.serial)),
    algorithm,
    nameOf(spec.issuer),
    sequence(time(spec.notBeforeMs), time(spec.notAfterMs)),
    nameOf(spec.subject),
    asn1.fromDer(binary(spki(spec.publicKey))),
    context(3, sequence(...extensions(spec))),
  );
  const signature = sign(digest, der(tbs), spec.signingKey);
  return der(sequence(tbs, algorithm, primitive(Type.BITSTRING, `\0${binary(signature)}`)));
}

function extensions(spec: CertificateSpec): forge.asn1.Asn1[] {
  const list = [
    extension('2.5.29.15', keyUsage(spec.ca), true),
    extension('2.5.29.19', sequence(...basicConstraints(spec)), true),
    extension('2.5.29.14', primitive(Type.OCTETSTRING, binary(keyId(spec.publicKey)))),
  ];
  if (!spec.ca) list.push(extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))));
  if (spec.authorityKey) {
    list.push(
      extension('2.5.29.35', sequence(asn1.create(Class.CONTEXT_SPECIFIC, 0, false, binary(keyId(spec.authorityKey))))),
    );
  }
  if (spec.dnsNames) {
    const names = spec.dnsNames.map((name) => asn1.create(Class.CONTEXT_SPECIFIC, 2, false, name));
    list.push(extension('2.5.29.17', sequence(...names)));
  }
  return list;
}

function keyUsage(ca: boolean): forge.asn1.Asn1 {
  // keyCertSign + cRLSign for a CA; digitalSignature + keyEncipherment for a leaf (RFC 5280 §4.2.1.3)
  return primitive(Type.BITSTRING, ca ? '\x01\x06' : '\x05\xa0');
}

function basicConstraints({ ca, pathLength }: CertificateSpec): forge.asn1.Asn1[] {
  if (!ca) return [];
  const yes = primitive(Type.BOOLEAN, '\xff');
  return pathLength === undefined ? [yes] : [yes, primitive(Type.INTEGER, String.fromCharCode(pathLength))];
}

function extension(id: string, value: forge.asn1.Asn1, critical = false): forge.asn1.Asn1 {
  const flag = critical ? [primitive(Type.BOOLEAN, '\xff')] : [];
  return sequence(oid(id), ...flag, primitive(Type.OCTETSTRING, binary(der(value))));
}

function nameOf({ o, ou, cn }: Name): forge.asn1.Asn1 {
  const attributes: [string, string | undefined][] = [
    ['2.5.4.10', o],
    ['2.5.4.11', ou],
    ['2.5.4.3', cn],
  ];
  const present = attributes.flatMap(([id, value]) => (value === undefined ? [] : [{ id, value }]));
  return sequence(
    ...present.map(({ id, value }) =>
      asn1.create(Class.UNIVERSAL, Type.SET, true, [sequence(oid(id), primitive(Type.PRINTABLESTRING, value))]),
    ),
  );
}

/** UTCTime reaches to 2049, which is as far as these certificates need to reach (RFC 5280 §4.1.2.5). */
function time(ms: number): forge.asn1.Asn1 {
  return primitive(Type.UTCTIME, asn1.dateToUtcTime(new Date(ms)).toString());
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(spki(key)).digest();
}

function spki(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
}

function sequence(...parts: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, parts);
}

function context(tag: number, child: forge.asn1.Asn1): forge.asn1.Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [child]);
}

function primitive(type: forge.asn1.Type, value: string): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, type, false, value);
}

function oid(dotted: string): forge.asn1.Asn1 {
  return primitive(Type.OID, asn1.oidToDer(dotted).getBytes());
}

function der(node: forge.asn1.Asn1): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'binary');
}

function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('binary');
}
