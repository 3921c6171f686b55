import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import { createSigningRequest, encodeSigningRequest } from './csr.ts';
import { contextTag, derChildren, oidText, TAG } from './der.ts';
import { decodePem } from './pem.ts';

test('is version 1 with an empty subject, the key and no attributes, signed with ECDSA and SHA-256', async () => {
  const { keyPem, csrPem } = await createSigningRequest();
  const publicKey = createPublicKey(keyPem);
  const [der] = decodePem(csrPem, 'CERTIFICATE REQUEST');
  const [info, algorithm, signature] = derChildren(der ?? Buffer.alloc(0), TAG.sequence);
  const [version, subject, spki, attributes, ...more] = derChildren(info?.whole ?? Buffer.alloc(0), TAG.sequence);

  expect(version?.content).toEqual(Buffer.from([0]));
  expect(subject?.whole).toEqual(Buffer.from([0x30, 0]));
  expect(spki?.whole).toEqual(publicKey.export({ type: 'spki', format: 'der' }));
  expect(attributes?.whole).toEqual(Buffer.from([contextTag(0), 0]));
  expect(more).toEqual([]);
  expect(oidText(derChildren(algorithm?.whole ?? Buffer.alloc(0), TAG.sequence)[0]?.content ?? Buffer.alloc(0))).toBe(
    '1.2.840.10045.4.3.2',
  );
  expect(signature?.content[0]).toBe(0);
  expect(
    verify('sha256', info?.whole ?? Buffer.alloc(0), publicKey, signature?.content.subarray(1) ?? Buffer.alloc(0)),
  ).toBe(true);
});

test('the golden prefix: everything before the key of a P-256 request', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [der] = decodePem(await encodeSigningRequest(privateKey), 'CERTIFICATE REQUEST');
  // { SEQUENCE 98 { INTEGER 0, SEQUENCE {}, SEQUENCE 89 { SEQUENCE 19 { id-ecPublicKey, prime256v1 }, BIT STRING 66 …
  const info =
    '3062' + '020100' + '3000' + '3059' + '3013' + '06072a8648ce3d0201' + '06082a8648ce3d030107' + '034200' + '04';
  expect(der?.subarray(3).toString('hex').startsWith(info) || der?.subarray(2).toString('hex').startsWith(info)).toBe(
    true,
  );
});

test('a new key each time, in PKCS#8', async () => {
  const [a, b] = [await createSigningRequest(), await createSigningRequest()];
  expect(a.keyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  expect(createPrivateKey(a.keyPem).asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  expect(a.keyPem).not.toBe(b.keyPem);
});

const openssl = spawnSync('openssl', ['version']).status === 0;
test.skipIf(!openssl)('openssl reads it and verifies its signature', async () => {
  const { csrPem } = await createSigningRequest();
  const result = spawnSync('openssl', ['req', '-verify', '-noout', '-subject'], { input: csrPem, encoding: 'utf8' });
  expect(result.status).toBe(0);
  expect(result.stdout + result.stderr).toMatch(/verify OK/);
  expect(result.stdout).toMatch(/^subject=\s*$/m);
});
