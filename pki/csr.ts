import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { asn1 as Asn1 } from 'node-forge';
import { encodePem } from './pem.ts';

/** A fresh key and the request that asks a CA to certify it. */
export interface SigningRequest {
  /** PKCS#8 PEM. Secret: never log it. */
  readonly keyPem: string;
  /** PKCS#10 PEM, to be sent as it is: the answer is recognised by comparing these bytes. */
  readonly csrPem: string;
}

/** ecdsa-with-SHA256 (RFC 5758 §3.2). */
const OID_ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';

/** A new P-256 key with its request: a new key for every request, renewals too (spec swarmkit-worker §1.3). */
export async function createSigningRequest(): Promise<SigningRequest> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: await encodeSigningRequest(privateKey),
  };
}

/**
 * PKCS#10 (RFC 2986) with an empty subject and no attributes: the manager sets names, usages and lifetime from its own
 * store, and takes only the public key from here.
 */
export async function encodeSigningRequest(key: KeyObject): Promise<string> {
  // Needed twice in the life of a certificate, so a plain start does not pay for it; and this part of it alone, since the
  // whole of node-forge is longer than netd/gossip and netd/overlay together.
  const { default: asn1 } = await import('node-forge/lib/asn1.js');
  const node = (type: number, value: string) => asn1.create(asn1.Class.UNIVERSAL, type, false, value);
  const sequence = (...parts: Asn1.Asn1[]) => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, parts);
  const bytes = (tree: Asn1.Asn1) => Buffer.from(asn1.toDer(tree).getBytes(), 'binary');

  const publicKeyDer = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const info = sequence(
    node(asn1.Type.INTEGER, '\0'), // version 0 is v1
    sequence(), // empty subject
    asn1.fromDer(publicKeyDer.toString('binary')),
    asn1.create(asn1.Class.CONTEXT_SPECIFIC, 0, true, []), // attributes: none, but the field itself is mandatory
  );
  const signature = sign('sha256', bytes(info), key);
  const request = sequence(
    info,
    sequence(node(asn1.Type.OID, asn1.oidToDer(OID_ECDSA_WITH_SHA256).getBytes())),
    node(asn1.Type.BITSTRING, `\0${signature.toString('binary')}`), // no unused bits
  );
  return encodePem('CERTIFICATE REQUEST', bytes(request));
}
