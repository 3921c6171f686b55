import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeCa } from '#test/fake-manager/ca.ts';
import { certificateFields, swarmSubject } from './certificate-der.ts';
import { derChildren, derElements, oidText, TAG } from './der.ts';
import { decodePem, encodePem } from './pem.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('derElements', () => {
  test('takes elements one after the other, long lengths too', () => {
    const long = Buffer.concat([hex('04 82 0100'), Buffer.alloc(256, 7)]);
    const elements = derElements(Buffer.concat([hex('02 01 05'), long, hex('05 00')]));
    expect(elements.map(({ tag, content }) => [tag, content.length])).toEqual([
      [2, 1],
      [4, 256],
      [5, 0],
    ]);
    expect(elements[1]?.whole).toEqual(long);
  });

  test.each([
    ['30', 'cut off at offset 0'],
    ['30 05 00', 'longer than its input'],
    ['02 01 05 30', 'cut off at offset 3'],
    ['30 80 00 00', 'bad length'],
    ['30 85 01 00 00 00 00', 'bad length'],
    ['30 82 01', 'bad length'],
    ['1f 81 00', 'multi-byte tag'],
    ['30 84 ff ff ff ff', 'longer than its input'],
  ])('refuses %s', (bytes, problem) => {
    expect(() => derElements(hex(bytes))).toThrow(problem);
  });

  test('any bytes either parse to exactly their length or are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          expect(Buffer.concat(derElements(bytes).map(({ whole }) => whole))).toEqual(Buffer.from(bytes));
        } catch (error) {
          expect(String(error)).toContain('DER: ');
        }
      }),
    );
  });

  test('one element means one', () => {
    expect(() => derChildren(hex('30 00 30 00'), TAG.sequence)).toThrow('exactly one');
    expect(() => derChildren(hex('31 00'), TAG.sequence)).toThrow('expected tag 0x30, found tag 0x31');
  });
});

test.each([
  ['2a 86 48 ce 3d 04 03 02', '1.2.840.10045.4.3.2'],
  ['55 1d 13', '2.5.29.19'],
  ['88 37 03', '2.999.3'],
])('object identifier %s', (bytes, dotted) => {
  expect(oidText(hex(bytes))).toBe(dotted);
});

describe('certificateFields', () => {
  const ca = new FakeCa('c1uster');
  const leaf = decodePem(ca.issueWithKey('n0de', 'worker').certificatePem, 'CERTIFICATE')[0] ?? Buffer.alloc(0);

  test('cuts the names and the key out as they stand', () => {
    const fields = certificateFields(leaf);
    const root = certificateFields(decodePem(ca.root.certificatePem, 'CERTIFICATE')[0] ?? Buffer.alloc(0));
    expect(fields.issuerDer).toEqual(root.subjectDer);
    expect(fields.issuerDer.toString('hex')).toBe('30133111300f06035504031308737761726d2d6361'); // CN=swarm-ca
    expect(swarmSubject(fields.subjectDer)).toEqual({
      organization: 'c1uster',
      organizationalUnit: 'swarm-worker',
      commonName: 'n0de',
    });
    expect(fields.publicKeyDer.length).toBe(91); // P-256
    expect(fields.pathLength).toBeUndefined();
  });

  test('a certificate cut anywhere is refused, not misread', () => {
    for (let length = 0; length < leaf.length; length += 7) {
      expect(() => certificateFields(leaf.subarray(0, length))).toThrow('DER: ');
    }
  });
});

describe('PEM', () => {
  test('goes both ways', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        expect(decodePem(encodePem('X', bytes), 'X')).toEqual([Buffer.from(bytes)]);
      }),
    );
  });

  test('passes over other blocks, text between them and header lines', () => {
    const text = `about\n${encodePem('A', hex('01'))}noise\n-----BEGIN B-----\nkek-version: 0\n\nAg==\n-----END B-----\n${encodePem('A', hex('03'))}`;
    expect(decodePem(text, 'A')).toEqual([hex('01'), hex('03')]);
    expect(decodePem(text, 'B')).toEqual([hex('02')]);
    expect(decodePem(text.replaceAll('\n', '\r\n'), 'A')).toEqual([hex('01'), hex('03')]);
  });
});
