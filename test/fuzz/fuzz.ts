import { crc32 } from 'node:zlib';
import { type Random, seededRandom, uniformInt } from '#base/random.ts';
import { GOLDEN, GOLDEN_WORLD, type GoldenName, golden } from '#netd/gossip/wire/golden-vectors.ts';
import { Coverage } from './coverage.ts';
import { retainedBytes } from './heap.ts';
import { mutate, noise } from './mutate.ts';
import { FuzzTarget } from './target.ts';

/** One input may take this long; a decompression bomb takes 20 ms on a quiet machine. */
const MAX_INPUT_MS = 1000;
/** What one core may hold from two thousand inputs of which each may hold a thousand small rows or names. */
const MAX_HELD = 200_000;

/** Inputs between two looks at the coverage. */
const BATCH = 8;
/** Inputs kept because they reached new code, and their size: what reaches code is mostly small. */
const MAX_KEPT = 4096;
const MAX_KEPT_BYTES = 16 * 1024;
/** Inputs between two looks at the memory, and what it may grow by after the first: the kept inputs and one full core. */
const MEMORY_EVERY = 20_000;
const MAX_GROWTH_BYTES = 256 * 1024 * 1024;

export interface FuzzReport {
  readonly inputs: number;
  readonly slowestMs: number;
  readonly mostHeld: number;
  /** Checksum of all inputs: the same for the same seed and count. */
  readonly digest: number;
  /** Blocks of the gossip sources that ran. */
  readonly blocks: number;
  /** Inputs that became parents because code ran that had not run before. */
  readonly found: number;
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

/**
 * Throws mutated vectors at every decoder and at a core until `isOver`. Inputs after which code ran that had not run
 * before become parents of further inputs. The same seed gives the same inputs.
 */
export function fuzz(seed: number, isOver: (inputs: number) => boolean): FuzzReport {
  const random = seededRandom(seed);
  const corpus = goldenCorpus();
  const golden = corpus.length;
  const target = new FuzzTarget(seed);
  using coverage = new Coverage();
  let batch: Buffer[] = [];
  let inputs = 0;
  let slowestMs = 0;
  let mostHeld = 0;
  let digest = 0;
  let settledBytes: number | undefined;
  for (; !isOver(inputs); inputs++) {
    const input =
      random() < 0.02
        ? noise(random, uniformInt(random, 0, 65_508))
        : mutate(parent(corpus, golden, random), random, corpus);
    digest = crc32(input, digest);
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
    batch.push(input);
    if (batch.length === BATCH) {
      // Who of the batch it was is not asked: the others are harmless parents, and asking each time costs more.
      if (coverage.takeNew().size > 0) keep(corpus, golden, batch, random);
      batch = [];
    }
    if (inputs % MEMORY_EVERY === MEMORY_EVERY - 1) {
      const bytes = retainedBytes();
      settledBytes ??= bytes;
      if (bytes - settledBytes > MAX_GROWTH_BYTES) {
        throw new FuzzFinding(seed, inputs, input, `memory grew by ${Math.round((bytes - settledBytes) / 2 ** 20)} MB`);
      }
    }
  }
  return { inputs, slowestMs, mostHeld, digest, blocks: coverage.blocks, found: corpus.length - golden };
}

/** Half of all inputs descend from what was found to reach new code. */
function parent(corpus: readonly Buffer[], golden: number, random: Random): Buffer {
  const isFound = corpus.length > golden && random() < 0.5;
  const at = isFound ? uniformInt(random, golden, corpus.length) : uniformInt(random, 0, golden);
  return corpus[at] ?? Buffer.alloc(0);
}

function keep(corpus: Buffer[], golden: number, batch: readonly Buffer[], random: Random): void {
  for (const input of batch) {
    if (input.length > MAX_KEPT_BYTES) continue;
    if (corpus.length < golden + MAX_KEPT) corpus.push(input);
    else corpus[uniformInt(random, golden, corpus.length)] = input;
  }
}
