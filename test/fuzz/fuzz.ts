import { seededRandom, uniformInt } from '#base/random.ts';
import { GOLDEN, GOLDEN_WORLD, type GoldenName, golden } from '#netd/gossip/wire/golden-vectors.ts';
import { mutate, noise } from './mutate.ts';
import { FuzzTarget } from './target.ts';

/** One input may take this long; a decompression bomb takes 20 ms on a quiet machine. */
const MAX_INPUT_MS = 1000;
/** What one core may hold from two thousand inputs of which each may hold a thousand small rows or names. */
const MAX_HELD = 200_000;

export interface FuzzReport {
  readonly inputs: number;
  readonly slowestMs: number;
  readonly mostHeld: number;
}

/** A finding, with the input that made it: enough to reproduce it, since state matters, together with the seed. */
export class FuzzFinding extends Error {
  readonly input: Buffer;

  constructor(seed: number, count: number, input: Buffer, cause: unknown) {
    super(
      `seed ${seed}, input ${count}: ${cause instanceof Error ? cause.message : String(cause)}\n${input.toString('hex')}`,
      { cause },
    );
    this.input = input;
  }
}

/** All golden and malformed vectors, and those of node A retold as node B's, which a node named A believes. */
export function goldenCorpus(): Buffer[] {
  const names = Object.keys(GOLDEN) as GoldenName[];
  const [a, b] = [GOLDEN_WORLD.nodeA, GOLDEN_WORLD.nodeB].map((name) => Buffer.from(name).toString('hex'));
  return names.flatMap((name) => {
    const hex = golden(name).toString('hex');
    const swapped = hex
      .replaceAll(a ?? '', '~')
      .replaceAll(b ?? '', a ?? '')
      .replaceAll('~', b ?? '');
    return [Buffer.from(hex, 'hex'), Buffer.from(swapped, 'hex')];
  });
}

/** Throws mutated vectors at every decoder and at a core until `isOver`. */
export function fuzz(seed: number, isOver: (inputs: number) => boolean): FuzzReport {
  const random = seededRandom(seed);
  const corpus = goldenCorpus();
  const target = new FuzzTarget(seed);
  let inputs = 0;
  let slowestMs = 0;
  let mostHeld = 0;
  for (; !isOver(inputs); inputs++) {
    const parent = corpus[uniformInt(random, 0, corpus.length)] ?? Buffer.alloc(0);
    const input = random() < 0.02 ? noise(random, uniformInt(random, 0, 65_508)) : mutate(parent, random, corpus);
    const started = performance.now();
    try {
      target.run(input);
    } catch (error) {
      throw new FuzzFinding(seed, inputs, input, error);
    }
    const tookMs = performance.now() - started;
    slowestMs = Math.max(slowestMs, tookMs);
    mostHeld = Math.max(mostHeld, target.held);
    if (tookMs > MAX_INPUT_MS) throw new FuzzFinding(seed, inputs, input, `took ${Math.round(tookMs)} ms`);
    if (target.held > MAX_HELD) throw new FuzzFinding(seed, inputs, input, `holds ${target.held} things`);
  }
  return { inputs, slowestMs, mostHeld };
}
