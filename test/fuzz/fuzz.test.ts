import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { seededRandom, uniformInt } from '#base/random.ts';
import { Coverage } from './coverage.ts';
import { goldenCorpus } from './fuzz.ts';
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

// In a process of its own, as by hand: what it finds is found again there with the same seed.
test(
  `mutated vectors for ${SECONDS} s: nothing but refusals, nothing slow, nothing that grows, nothing harmful out`,
  () => {
    const report = fuzzInProcess('--seconds', String(SECONDS));
    const [, inputs, blocks] = /^(\d+) inputs.*\n(\d+) blocks/m.exec(report) ?? [];
    expect(Number(inputs)).toBeGreaterThan(200);
    expect(Number(blocks)).toBeGreaterThan(500);
  },
  SECONDS * 1000 + 120_000,
);

test('the same seed is the same run: coverage guides it, the moods of the machine do not', () => {
  const [one, two] = [1, 2].map(() => fuzzInProcess('--seed', '5', '--inputs', '2000'));
  expect(one).toMatch(/^2000 inputs/m);
  const lasting = (text = '') => text.replace(/, slowest .* ms/, '');
  expect(lasting(two)).toBe(lasting(one));
}, 60_000);

test('what was found to reach new code leads further than the golden vectors alone', () => {
  const random = seededRandom(6);
  const corpus = goldenCorpus();
  const target = new FuzzTarget(6);
  using coverage = new Coverage();
  for (const vector of corpus) target.run(vector);
  const byVectors = coverage.takeNew().size;
  for (let inputs = 0; inputs < 500; inputs++) {
    const vector = corpus[uniformInt(random, 0, corpus.length)] ?? Buffer.alloc(0);
    target.run(mutate(vector, random, corpus));
  }
  expect(byVectors).toBeGreaterThan(100);
  expect(coverage.takeNew().size).toBeGreaterThan(10);
});

/** `npm run fuzz` with these arguments; what it printed. Fails with the finding. */
function fuzzInProcess(...args: string[]): string {
  const main = join(import.meta.dirname, 'main.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  expect(status, `${stdout}${stderr}`).toBe(0);
  return stdout;
}
