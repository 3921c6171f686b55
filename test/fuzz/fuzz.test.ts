import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { seededRandom, uniformInt } from '#base/random.ts';
import { NET, Stage } from '#netd/gossip/core-testkit.ts';
import { DecodeError } from '#netd/gossip/wire/decode-error.ts';
import { GOLDEN_WORLD, golden } from '#netd/gossip/wire/golden-vectors.ts';
import { openPacket } from '#netd/gossip/wire/packet.ts';
import { MESSAGE_TYPE } from '#netd/gossip/wire/swim-message.ts';
import { encodeUserStream } from '#netd/gossip/wire/user-stream.ts';
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

test('F23 sealed: each byte changed, cut at each length, extended: nothing of it is opened', () => {
  const { key } = GOLDEN_WORLD;
  const random = seededRandom(23);
  for (const name of ['G17', 'G18', 'G20', 'G52'] as const) {
    const vector = golden(name);
    const plain = openPacket(vector, [key]);
    const refused = (bytes: Buffer, what: string) =>
      expect(() => openPacket(bytes, [key]), `${name} ${what}`).toThrow(DecodeError);
    for (let at = 0; at < vector.length; at++) {
      const changed = Buffer.from(vector);
      changed[at] = (changed[at] ?? 0) ^ (1 << uniformInt(random, 0, 8));
      refused(changed, `with byte ${at} changed`);
      refused(vector.subarray(0, at), `cut at ${at}`);
    }
    for (let extra = 1; extra <= 64; extra++) refused(Buffer.concat([vector, noise(random, extra)]), `and ${extra}`);
    expect(openPacket(vector, [key])).toEqual(plain);
  }
});

test('F23 what is refused, by packet and by stream, has changed nothing', () => {
  const random = seededRandom(24);
  let refusals = 0;
  for (const vector of goldenCorpus()) {
    // Of what has parts the good ones stand: here whatever is wrong is all there is.
    const hasParts = [MESSAGE_TYPE.compound, MESSAGE_TYPE.compress, MESSAGE_TYPE.pushPull].some(
      (one) => one === vector[0],
    );
    if (hasParts) continue;
    const inputs: Buffer[] = [];
    for (let at = 0; at < vector.length; at += 1 + Math.floor(vector.length / 100)) {
      const changed = Buffer.from(vector);
      changed[at] = (changed[at] ?? 0) ^ (1 << uniformInt(random, 0, 8));
      inputs.push(changed, vector.subarray(0, at));
    }
    let stage = met();
    for (const input of inputs) {
      for (const take of [
        () => stage.packet(1, input),
        () => stage.user(1, input),
        () => void stage.request(input),
        () => void stage.request(encodeUserStream(input)),
      ]) {
        const { refused } = stage.core;
        const before = held(stage);
        take();
        // What was taken for good may change anything: the next input finds things as they were.
        if (stage.core.refused === refused) stage = met();
        else {
          refusals++;
          expect(held(stage), input.toString('hex')).toEqual(before);
        }
      }
    }
  }
  expect(refusals).toBeGreaterThan(10_000);
}, 240_000);

/** A node among two, all on one network. */
function met(): Stage {
  const stage = new Stage();
  stage.input({ kind: 'attach', network: NET });
  stage.meet(2, [NET]);
  return stage;
}

/** What a refused input must leave as it is. */
function held({ core, sent, streams }: Stage): unknown {
  const { swim, db } = core;
  const members = [...swim.state.members].map(({ name, state, incarnation, ip }) => [name, state, incarnation, ip]);
  const { networkClock, tableClock, rows, attachments, peers } = db.state;
  const queued = swim.state.queue.size + db.pendingBroadcasts();
  const sizes = [rows.size, attachments.size, peers.size, queued, sent.length, streams.length];
  return [...members, networkClock.time, tableClock.time, ...sizes];
}

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
