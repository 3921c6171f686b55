import { NetdError } from '#base/errors.ts';

/**
 * A swarm join token (spec swarmkit-worker §1.1): `SWMTKN-1-<digest>-<secret>`, or `SWMTKN-2-<fips>-<digest>-<secret>`.
 * Whether it admits a worker or a manager cannot be seen in it.
 */
export interface JoinToken {
  /** The whole token as a manager wants it. Secret: never log it. */
  readonly text: string;
  readonly version: 1 | 2;
  /** The cluster takes only nodes whose runtime is in FIPS mode. */
  readonly fips: boolean;
  /** SHA-256 of the cluster's root bundle, 64 lower-case hexadecimal digits. */
  readonly digestHex: string;
}

const PREFIX = 'SWMTKN';
/** A SHA-256 value in base 36, padded. */
const DIGEST_LENGTH = 50;
/** 16 random bytes in base 36, padded. */
const SECRET_LENGTH = 25;
const MEND = 'Copy the whole token that `docker swarm join-token worker` prints on a manager.';

/** @throws NetdError `bad-token`; its text never holds any part of the token's secret. */
export function parseJoinToken(input: string): JoinToken {
  const text = input.trim();
  const [prefix, versionText, ...rest] = text.split('-');
  if (text === '') throw badToken('is empty');
  if (prefix !== PREFIX) throw badToken(`does not begin with ${PREFIX}-`);
  if (versionText !== '1' && versionText !== '2') {
    throw badToken(
      versionText === undefined ? 'ends after its prefix' : 'is of a version netd does not know (1 and 2 are known)',
    );
  }
  const version = versionText === '1' ? 1 : 2;
  const flag = version === 2 ? rest.shift() : '0';
  if (flag !== '0' && flag !== '1') throw badToken('has no FIPS flag (0 or 1) after its version');
  const [digest = '', secret = '', ...surplus] = rest;
  if (surplus.length > 0) throw badToken('has too many parts');
  checkPart('CA digest', digest, DIGEST_LENGTH);
  checkPart('secret', secret, SECRET_LENGTH);
  return { text, version, fips: flag === '1', digestHex: digestToHex(digest) };
}

function checkPart(name: string, part: string, length: number): void {
  if (part.length < length) {
    throw badToken(`is cut short: its ${name} has ${part.length} of ${length} characters`);
  }
  if (part.length > length) throw badToken(`is too long: its ${name} has ${part.length} characters, not ${length}`);
  if (!/^[0-9a-z]*$/.test(part)) throw badToken(`has a character in its ${name} that is none of 0-9 and a-z`);
}

function digestToHex(digest: string): string {
  let value = 0n;
  for (const character of digest) value = value * 36n + BigInt(Number.parseInt(character, 36));
  const hex = value.toString(16).padStart(64, '0');
  // 36^50 is a little more than 2^256, so some digests stand for no SHA-256 value.
  if (hex.length > 64) throw badToken('has a CA digest that is out of range');
  return hex;
}

function badToken(problem: string): NetdError {
  return new NetdError('bad-token', `the join token ${problem}`, { mend: MEND });
}
