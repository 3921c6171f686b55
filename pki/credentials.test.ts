import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { FakeCa, newRoot } from '#test/fake-manager/ca.ts';
import { isExpired, ownAnchors, parseCredentials, sameTlsInfo, tlsInfoOf, withRootBundle } from './credentials.ts';
import { clusterMandatesFips, refuseMissingFips } from './fips.ts';

const NOW = Date.now();
const HOUR = 3_600_000;

function joined(ca = new FakeCa('c1uster'), overrides = {}) {
  const parts = { rootBundle: ca.rootBundle, ...ca.issueWithKey('n0de', 'worker', overrides) };
  return { ca, parts, read: (atMs = NOW) => parseCredentials(parts, atMs) };
}

describe('parseCredentials', () => {
  test('reads who the node is', () => {
    const { ca, parts, read } = joined();
    const credentials = read();
    const x509 = new X509Certificate(parts.certificatePem);
    expect(credentials).toMatchObject({
      nodeId: 'n0de',
      clusterId: 'c1uster',
      role: 'worker',
      serial: x509.serialNumber,
    });
    expect(credentials.notAfterMs - credentials.notBeforeMs).toBe(ca.expiryMs + HOUR);
    expect(Buffer.from(credentials.rootBundle)).toEqual(ca.rootBundle);
    expect(credentials.certificatePem).toBe(parts.certificatePem);
    expect(credentials.keyPem).toBe(parts.keyPem);
  });

  test("the role is the certificate's", () => {
    const ca = new FakeCa();
    const parts = { rootBundle: ca.rootBundle, ...ca.issueWithKey('n', 'manager') };
    expect(parseCredentials(parts, NOW).role).toBe('manager');
  });

  test('TLS info names the signer, byte for byte; during a rotation that is the new CA', () => {
    const { ca, read } = joined();
    const before = tlsInfoOf(read());
    const rootX509 = new X509Certificate(ca.root.certificatePem);
    expect(Buffer.from(before.trustRoot)).toEqual(ca.rootBundle);
    expect(Buffer.from(before.certIssuerPublicKey)).toEqual(rootX509.publicKey.export({ type: 'spki', format: 'der' }));

    ca.beginRotation();
    const rotated = joined(ca).read();
    const during = tlsInfoOf(rotated);
    expect(Buffer.from(during.trustRoot)).toEqual(ca.rootBundle); // still the old one
    expect(Buffer.from(during.certIssuerSubject)).toEqual(Buffer.from(before.certIssuerSubject)); // same name
    expect(Buffer.from(during.certIssuerPublicKey)).toEqual(
      new X509Certificate(ca.signer.certificatePem).publicKey.export({ type: 'spki', format: 'der' }),
    );
    expect(sameTlsInfo(before, during)).toBe(false);
    expect(sameTlsInfo(before, tlsInfoOf(joined(new FakeCa()).read()))).toBe(false);
    expect(sameTlsInfo(during, { ...during })).toBe(true);
    expect(ownAnchors(rotated, NOW).length).toBe(1);

    ca.finishRotation();
    const after = withRootBundle(rotated, ca.rootBundle, NOW);
    expect(after.nodeId).toBe(rotated.nodeId);
    expect(ownAnchors(after, NOW)).toEqual([]); // it was signed by a root that no longer counts
  });

  test("a key file of Docker's is read despite its header line", () => {
    const { parts } = joined();
    const keyPem = parts.keyPem.replace('-----\n', '-----\nkek-version: 0\n\n');
    expect(() => createPrivateKey(keyPem)).toThrow();
    expect(parseCredentials({ ...parts, keyPem }, NOW).keyPem).toBe(parts.keyPem);
  });

  test.each([
    ['another root', () => ({ rootBundle: new FakeCa().rootBundle }), 'unknown-authority'],
    ['no root', () => ({ rootBundle: Buffer.from('') }), 'bad-root'],
    ['another key', () => ({ keyPem: joined().parts.keyPem }), 'key-mismatch'],
    ['no key', () => ({ keyPem: '' }), 'bad-certificate'],
    ['half a key', () => ({ keyPem: joined().parts.keyPem.slice(0, 100) }), 'bad-certificate'],
    ['no certificate', () => ({ certificatePem: '' }), 'bad-certificate'],
    [
      'damaged certificate',
      () => ({ certificatePem: joined().parts.certificatePem.replace(/\nM/, '\nA') }),
      'bad-certificate',
    ],
  ])('refuses %s', (_name, change, code) => {
    expect(() => parseCredentials({ ...joined().parts, ...change() }, NOW)).toThrow(expect.objectContaining({ code }));
  });

  test('refuses a certificate out of its lifetime, and says what to do', () => {
    const { read } = joined();
    const expired = expect.objectContaining({
      code: 'certificate-expired',
      mend: expect.stringContaining('join again'),
    });
    expect(() => read(NOW + 100 * 24 * HOUR)).toThrow(expired);
    expect(() => joined(undefined, { notBeforeMs: NOW + HOUR }).read()).toThrow(
      expect.objectContaining({ code: 'certificate-not-yet-valid', mend: expect.stringContaining('clock') }),
    );
  });

  test("refuses a certificate that is no node's", () => {
    expect(() => joined(undefined, { organization: '' }).read()).toThrow(
      expect.objectContaining({ code: 'bad-certificate' }),
    );
    expect(() => joined(undefined, { nodeId: '' }).read()).toThrow(
      expect.objectContaining({ code: 'bad-certificate' }),
    );
  });

  test("takes roots with names and keys of the operator's own", () => {
    for (const root of [newRoot({ name: { o: 'ACME', cn: 'Swarm CA 1' } }), newRoot({ rsaBits: 2048 })]) {
      const ca = new FakeCa('c', root);
      const before = joined(ca).read();
      ca.beginRotation(newRoot({ name: { o: 'ACME', cn: 'Swarm CA 2' } }));
      expect(sameTlsInfo(tlsInfoOf(before), tlsInfoOf(joined(ca).read()))).toBe(false);
    }
  });
});

test('isExpired', () => {
  const credentials = joined().read();
  expect(isExpired(credentials, credentials.notAfterMs)).toBe(false);
  expect(isExpired(credentials, credentials.notAfterMs + 1)).toBe(true);
});

test('FIPS clusters are refused by name, on a runtime without FIPS', () => {
  expect(clusterMandatesFips('FIPS.abc')).toBe(true);
  expect(clusterMandatesFips('abc')).toBe(false);
  expect(() => refuseMissingFips(true, false)).toThrow(expect.objectContaining({ code: 'fips-required' }));
  expect(() => refuseMissingFips(true, true)).not.toThrow();
  expect(() => refuseMissingFips(false, false)).not.toThrow();
});
