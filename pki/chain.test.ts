import { createPrivateKey } from 'node:crypto';
import { connect, createServer } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { type Authority, crossSign, FakeCa, newRoot } from '#test/fake-manager/ca.ts';
import {
  type Cert,
  extraAnchors,
  MAX_BUNDLE_BYTES,
  parseRootBundle,
  readCertificates,
  sha256Hex,
  verifyPath,
} from './chain.ts';

const NOW = Date.now();
const HOUR = 3_600_000;
const roots = (...authorities: Authority[]) =>
  parseRootBundle(Buffer.from(authorities.map(({ certificatePem }) => certificatePem).join('')), NOW);
const split = (pem: string): { leaf: Cert; intermediates: Cert[] } => {
  const [leaf, ...intermediates] = readCertificates(pem);
  if (!leaf) throw new Error('no leaf');
  return { leaf, intermediates };
};
/** Which CAs a path goes through, by serial number; or what is wrong. */
const verdictOf = (pem: string, trusted: readonly Cert[], atMs = NOW) => {
  const { leaf, intermediates } = split(pem);
  const verdict = verifyPath(leaf, intermediates, trusted, atMs);
  return verdict.ok ? verdict.path.length : verdict.problem;
};
const leafOf = (ca: FakeCa, overrides = {}) => ca.issueWithKey('node', 'worker', overrides).certificatePem;

describe('verifyPath', () => {
  const ca = new FakeCa();
  const other = new FakeCa();
  const rotating = new FakeCa();
  const oldRoot = rotating.root;
  rotating.beginRotation();
  const crossed = leafOf(rotating);
  const [bare = ''] = crossed.split(/(?<=-----END CERTIFICATE-----\n)/);

  test('a leaf of the root', () => expect(verdictOf(leafOf(ca), roots(ca.root))).toBe(2));
  test('a leaf of a root with the same name', () =>
    expect(verdictOf(leafOf(ca), roots(other.root))).toBe('unknown-authority'));
  test('either of two roots', () => expect(verdictOf(leafOf(ca), roots(other.root, ca.root))).toBe(2));
  test('no roots at all', () => expect(verdictOf(leafOf(ca), [])).toBe('unknown-authority'));
  test('a cross-signed CA between leaf and old root', () => expect(verdictOf(crossed, roots(oldRoot))).toBe(3));
  test('the same chain under the new root', () => expect(verdictOf(crossed, roots(rotating.signer))).toBe(2));
  test('the new leaf without its cross-signed CA', () =>
    expect(verdictOf(bare, roots(oldRoot))).toBe('unknown-authority'));
  test('a cross-signed CA of another swarm', () => {
    const foreign = crossSign(rotating.signer, other.root);
    expect(verdictOf(bare + foreign, roots(oldRoot))).toBe('unknown-authority');
  });
  test('a cross-signed CA that has expired', () => {
    const expired = crossSign(rotating.signer, oldRoot, { notAfterMs: NOW - HOUR });
    expect(verdictOf(bare + expired, roots(oldRoot))).toBe('unknown-authority');
  });
  test('a cross-signed certificate that is no CA', () => {
    const powerless = crossSign(rotating.signer, oldRoot, { ca: false });
    expect(verdictOf(bare + powerless, roots(oldRoot))).toBe('unknown-authority');
  });
  test('the right one among wrong ones', () => {
    const wrong = crossSign(rotating.signer, other.root) + crossSign(newRoot(), oldRoot);
    expect(verdictOf(bare + wrong + crossSign(rotating.signer, oldRoot), roots(oldRoot))).toBe(3);
  });
  test('a root that may not sign CAs', () => {
    const narrow = new FakeCa('c', newRoot({ pathLength: 0 }));
    expect(verdictOf(leafOf(narrow), roots(narrow.root))).toBe(2);
    const narrowRoot = narrow.root;
    narrow.beginRotation();
    expect(verdictOf(leafOf(narrow), roots(narrowRoot))).toBe('unknown-authority');
  });
  test('a leaf signed by another leaf', () => {
    const { certificatePem, keyPem } = ca.issueWithKey('evil', 'worker');
    const evil = {
      ...ca.root,
      name: { o: ca.clusterId, ou: 'swarm-worker', cn: 'evil' },
      certificatePem,
      key: createPrivateKey(keyPem),
    };
    expect(verdictOf(leafOf(ca, { signer: evil }) + certificatePem, roots(ca.root))).toBe('unknown-authority');
  });
  test('a leaf out of its lifetime, on either side', () => {
    const leaf = leafOf(ca);
    expect(verdictOf(leaf, roots(ca.root), NOW - 2 * HOUR)).toBe('not-yet-valid');
    expect(verdictOf(leaf, roots(ca.root), NOW + 91 * 24 * HOUR)).toBe('expired');
  });
  test('CAs that sign each other in a circle', () => {
    const [x, y] = [newRoot(), newRoot()];
    const leaf = leafOf(ca, { signer: x });
    expect(verdictOf(leaf + crossSign(x, y) + crossSign(y, x), roots(ca.root))).toBe('unknown-authority');
  });
  test('many CAs that could each have signed every other', () => {
    const [x, key] = [newRoot(), newRoot()];
    const copies = Array.from({ length: 30 }, () =>
      crossSign(key, { ...key, certificatePem: '' }, { notAfterMs: NOW + HOUR + Math.random() * 1e9 }),
    );
    const started = performance.now();
    expect(verdictOf(leafOf(ca, { signer: key }) + copies.join(''), roots(x))).toBe('unknown-authority');
    expect(performance.now() - started).toBeLessThan(500); // without a bound: minutes
  });
  test('RSA roots', () => {
    const rsa = new FakeCa('c', newRoot({ rsaBits: 2048 }));
    expect(verdictOf(leafOf(rsa), roots(rsa.root))).toBe(2);
  });
});

describe('parseRootBundle', () => {
  const bundle = (...authorities: Authority[]) =>
    Buffer.from(authorities.map((authority) => authority.certificatePem).join(''));
  const rejects = (bytes: Uint8Array, problem: string) =>
    expect(() => parseRootBundle(bytes, NOW)).toThrow(
      expect.objectContaining({ code: 'bad-root', message: expect.stringContaining(problem) }),
    );

  test('one root, or several', () => {
    expect(parseRootBundle(bundle(newRoot()), NOW).length).toBe(1);
    expect(parseRootBundle(bundle(newRoot(), newRoot()), NOW).length).toBe(2);
  });
  test.each([
    ['nothing', '', 'holds no certificate'],
    ['no PEM', 'hello', 'holds no certificate'],
    ['not a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'cannot be read'],
  ])('refuses %s', (_name, text, problem) => rejects(Buffer.from(text), problem));
  test('refuses what is too long', () => rejects(Buffer.alloc(MAX_BUNDLE_BYTES + 1), 'bytes, more than'));
  test('refuses too many', () => rejects(Buffer.from(newRoot().certificatePem.repeat(33)), '33 certificates'));
  test('refuses an expired root', () =>
    rejects(bundle(newRoot({ notAfterMs: NOW - HOUR })), 'out of its lifetime: it expired'));
  test('refuses a root of the future', () => rejects(bundle(newRoot({ notBeforeMs: NOW + HOUR })), 'not valid before'));
  test('refuses a root with a short RSA key', () => rejects(bundle(newRoot({ rsaBits: 1024 })), 'self-signed'));
  test('refuses a leaf', () => rejects(Buffer.from(leafOf(new FakeCa())), 'is not a CA'));
  test('refuses a cross-signed CA, though its names say self-signed', () => {
    const [target, by] = [newRoot(), newRoot()];
    rejects(Buffer.from(by.certificatePem + crossSign(target, by)), 'certificate 2 of 2 is not self-signed');
  });
});

describe('extraAnchors', () => {
  const [first, second, third] = [newRoot(), newRoot(), newRoot()];
  const certs = (...pems: string[]) => readCertificates(pems.join(''));
  const serials = (found: readonly Cert[]) => found.map((cert) => cert.x509.serialNumber);

  test('takes a CA that a trusted root has signed, and nothing else', () => {
    const good = crossSign(second, first);
    const presented = certs(
      good,
      first.certificatePem, // a root already
      second.certificatePem, // self-signed, trusted by nobody
      crossSign(third, second), // signed by an anchor, not by a root
      crossSign(third, first, { notAfterMs: NOW - 1000 }),
      crossSign(third, first, { ca: false }),
    );
    expect(serials(extraAnchors(presented, roots(first), NOW))).toEqual(serials(certs(good)));
  });
  test('takes nothing once the root has changed', () => {
    expect(extraAnchors(certs(crossSign(second, first)), roots(second), NOW)).toEqual([]);
  });
  test('takes nothing from a root that may not sign CAs', () => {
    const narrow = newRoot({ pathLength: 0 });
    expect(extraAnchors(certs(crossSign(second, narrow)), roots(narrow), NOW)).toEqual([]);
  });
});

/** Why all of this exists. If these change, the workaround may go. */
describe('OpenSSL and the cross-signed CA', () => {
  const ca = new FakeCa();
  const oldRoot = ca.root.certificatePem;
  ca.beginRotation();
  const { certificatePem, keyPem } = ca.issueWithKey('m', 'manager');

  test.each([
    ['the old root alone', [oldRoot], 'SELF_SIGNED_CERT_IN_CHAIN'],
    ['the old root and the cross-signed CA', [oldRoot, ca.intermediatesPem], 'fine'],
    ['both roots', [oldRoot, ca.signer.certificatePem], 'fine'],
  ])('with %s', async (_name, trusted, expected) => {
    const server = createServer({ cert: certificatePem, key: keyPem });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.on('tlsClientError', () => {});
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const outcome = await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, ca: trusted, servername: 'swarm-manager' }, () =>
        resolve('fine'),
      );
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      socket.on('close', () => server.close());
      socket.on('secureConnect', () => socket.destroy());
    });
    expect(outcome).toBe(expected);
  });
});

test('sha256Hex is what join tokens are made of', () => {
  expect(sha256Hex(Buffer.from('abc'))).toMatch(/^ba7816bf.*f20015ad$/);
});
