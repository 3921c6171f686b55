import { contextTag, type DerElement, derChildren, derElements, expectTag, oidText, TAG } from './der.ts';

/** The parts of an X.509 certificate that Node does not give, or not byte for byte (RFC 5280 §4.1). */
export interface CertificateFields {
  /** Raw DER Names, as SwarmKit compares them. */
  readonly subjectDer: Buffer;
  readonly issuerDer: Buffer;
  /** Raw DER SubjectPublicKeyInfo. */
  readonly publicKeyDer: Buffer;
  /** pathLenConstraint of a CA: how many CAs may stand between it and a leaf. Undefined: no limit. */
  readonly pathLength: number | undefined;
}

/** What a swarm certificate's subject says: O is the cluster, OU the role, CN the node (spec swarmkit-worker §0.3). */
export interface SwarmSubject {
  readonly organization: string;
  readonly organizationalUnit: string;
  readonly commonName: string;
}

const OID_BASIC_CONSTRAINTS = '2.5.29.19';
const OID_COMMON_NAME = '2.5.4.3';
const OID_ORGANIZATION = '2.5.4.10';
const OID_ORGANIZATIONAL_UNIT = '2.5.4.11';

/** @throws Error saying where the bytes stop being a certificate. */
export function certificateFields(der: Uint8Array): CertificateFields {
  const [tbs] = derChildren(der, TAG.sequence);
  const fields = derElements(expectTag(tbs, TAG.sequence).content);
  // version [0] is absent in version 1 certificates
  const afterVersion = fields[0]?.tag === contextTag(0) ? fields.slice(1) : fields;
  const [, , issuer, , subject, publicKey, ...rest] = afterVersion;
  return {
    subjectDer: expectTag(subject, TAG.sequence).whole,
    issuerDer: expectTag(issuer, TAG.sequence).whole,
    publicKeyDer: expectTag(publicKey, TAG.sequence).whole,
    pathLength: pathLengthOf(rest.find((element) => element.tag === contextTag(3))),
  };
}

/** Reads the swarm's three attributes out of a DER Name; a missing one is the empty string. The first of each kind counts. */
export function swarmSubject(nameDer: Uint8Array): SwarmSubject {
  const found = new Map<string, string>();
  for (const [oid, value] of nameAttributes(nameDer)) if (!found.has(oid)) found.set(oid, value);
  return {
    organization: found.get(OID_ORGANIZATION) ?? '',
    organizationalUnit: found.get(OID_ORGANIZATIONAL_UNIT) ?? '',
    commonName: found.get(OID_COMMON_NAME) ?? '',
  };
}

function* nameAttributes(nameDer: Uint8Array): Generator<[oid: string, value: string]> {
  for (const relative of derChildren(nameDer, TAG.sequence)) {
    for (const attribute of derElements(expectTag(relative, TAG.set).content)) {
      const [oid, value] = derElements(expectTag(attribute, TAG.sequence).content);
      yield [oidText(expectTag(oid, TAG.oid).content), value === undefined ? '' : value.content.toString('utf8')];
    }
  }
}

/** `extensions` is the [3] element: SEQUENCE OF SEQUENCE { oid, critical BOOLEAN DEFAULT FALSE, value OCTET STRING }. */
function pathLengthOf(extensions: DerElement | undefined): number | undefined {
  if (extensions === undefined) return undefined;
  for (const extension of derChildren(extensions.content, TAG.sequence)) {
    const parts = derElements(expectTag(extension, TAG.sequence).content);
    if (oidText(expectTag(parts[0], TAG.oid).content) !== OID_BASIC_CONSTRAINTS) continue;
    const constraints = derChildren(expectTag(parts.at(-1), TAG.octetString).content, TAG.sequence);
    const length = constraints.find((element) => element.tag === TAG.integer);
    // Six bytes are what a JavaScript number holds exactly; a longer limit is no limit.
    return length === undefined || length.content.length > 6
      ? undefined
      : length.content.readUIntBE(0, length.content.length);
  }
  return undefined;
}
