import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { bytesToBase36 } from '#base/ids.ts';
import { parseJoinToken } from './token.ts';

const DIGEST = '5oaq0bjhj6un82wg98mgigso5q7qlhc63je4gw7ivixqqhkd3p';
const SECRET = '000avh9he7dy896m08s18udxr';

describe('parseJoinToken', () => {
  test.each([
    ['', DIGEST],
    ['abc', '4nb7oofka9ml8nasnokxxc1unhmtpr1wxsuwhpd9km3vt5as31'],
  ])('reads the digest of %j', (content, digest) => {
    const expected = createHash('sha256').update(content).digest('hex');
    expect(parseJoinToken(`SWMTKN-1-${digest}-${SECRET}`).digestHex).toBe(expected);
  });

  test('reads version 1, version 2 and white space around either', () => {
    const v1 = `SWMTKN-1-${DIGEST}-${SECRET}`;
    expect(parseJoinToken(` ${v1}\n`)).toMatchObject({ text: v1, version: 1, fips: false });
    expect(parseJoinToken(`SWMTKN-2-0-${DIGEST}-${SECRET}`)).toMatchObject({ version: 2, fips: false });
    expect(parseJoinToken(`SWMTKN-2-1-${DIGEST}-${SECRET}`)).toMatchObject({ version: 2, fips: true });
  });

  test('reads back every digest, leading zeros too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const digest = bytesToBase36(bytes).padStart(50, '0');
        expect(parseJoinToken(`SWMTKN-1-${digest}-${SECRET}`).digestHex).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  test.each([
    ['', 'is empty'],
    ['swmtkn-1-x-y', 'does not begin with SWMTKN-'],
    ['10.0.0.1:2377', 'does not begin with SWMTKN-'],
    ['SWMTKN', 'ends after its prefix'],
    [`SWMTKN-3-${DIGEST}-${SECRET}`, 'is of a version netd does not know (1 and 2 are known)'],
    ['SWMTKN-1', 'is cut short: its CA digest has 0 of 50 characters'],
    [`SWMTKN-1-${DIGEST.slice(0, 20)}`, 'is cut short: its CA digest has 20 of 50 characters'],
    [`SWMTKN-1-${DIGEST}`, 'is cut short: its secret has 0 of 25 characters'],
    [`SWMTKN-1-${DIGEST}-${SECRET.slice(0, -1)}`, 'is cut short: its secret has 24 of 25 characters'],
    [`SWMTKN-1-${DIGEST}-${SECRET}x`, 'is too long: its secret has 26 characters, not 25'],
    [`SWMTKN-1-${DIGEST}0-${SECRET}`, 'is too long: its CA digest has 51 characters, not 50'],
    [`SWMTKN-1-${DIGEST}-${SECRET}-more`, 'has too many parts'],
    [`SWMTKN-1-${DIGEST.toUpperCase()}-${SECRET}`, 'has a character in its CA digest that is none of 0-9 and a-z'],
    [`SWMTKN-1-${'z'.repeat(50)}-${SECRET}`, 'has a CA digest that is out of range'],
    [`SWMTKN-2-${DIGEST}-${SECRET}`, 'has no FIPS flag (0 or 1) after its version'],
  ])('says what is wrong with %j', (text, problem) => {
    expect(() => parseJoinToken(text)).toThrow(
      expect.objectContaining({ code: 'bad-token', message: `the join token ${problem}` }),
    );
  });

  test('never repeats any of the secret', () => {
    const broken = [
      `SWMTKN-1-${DIGEST}-${SECRET}x`,
      `SWMTKN-1-${DIGEST}-${SECRET.toUpperCase()}`,
      `X-1-${DIGEST}-${SECRET}`,
    ];
    for (const text of broken) {
      try {
        parseJoinToken(text);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(NetdError);
        if (error instanceof NetdError)
          expect(`${error.stack} ${error.mend}`.toLowerCase()).not.toContain(SECRET.slice(0, 6));
      }
    }
  });
});
