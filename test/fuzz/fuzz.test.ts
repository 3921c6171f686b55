import { describe, expect, test } from 'vitest';
import { seededRandom, uniformInt } from '#base/random.ts';
import { fuzz, goldenCorpus } from './fuzz.ts';
import { mutate, noise } from './mutate.ts';
import { FuzzTarget } from './target.ts';

/** A minute in the normal run; FUZZ_SECONDS makes it shorter or longer. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 60);

describe('F23 every vector, hurt in every simple way', () => {
  test('F23 each byte flipped, cut at each length, extended', () => {
    const target = new FuzzTarget(1);
    const random = seededRandom(23);
    for (const vector of goldenCorpus()) {
      for (let at = 0; at < vector.length; at++) {
        const flipped = Buffer.from(vector);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << uniformInt(random, 0, 8));
        target.run(flipped);
        target.run(vector.subarray(0, at));
      }
      for (let extra = 1; extra <= 64; extra += 9) target.run(Buffer.concat([vector, noise(random, extra)]));
    }
  }, 240_000);
});

test('F24 random bytes of every size a datagram can have', () => {
  const target = new FuzzTarget(24);
  const random = seededRandom(24);
  for (let size = 0; size <= 65_507; size += 1 + Math.floor(size / 20)) target.run(noise(random, size));
});

test(
  `mutated vectors for ${SECONDS} s: nothing but refusals, nothing slow, nothing that grows, nothing harmful out`,
  () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const untilMs = performance.now() + SECONDS * 1000;
    // The seed is in the message of whatever is found.
    const report = fuzz(seed, (inputs) => performance.now() >= untilMs && inputs > 200);
    expect(report.inputs).toBeGreaterThan(200);
  },
  SECONDS * 1000 + 120_000,
);

test('the same seed mutates the same way', () => {
  const inputs = () => {
    const random = seededRandom(5);
    const corpus = goldenCorpus();
    return corpus.map((vector) => mutate(vector, random, corpus));
  };
  expect(inputs()).toEqual(inputs());
});
