import { type Random, uniformInt } from '#base/random.ts';
import { encodeCompounds } from '#netd/gossip/wire/compound.ts';
import { compress } from '#netd/gossip/wire/compress.ts';
import { encodeCompoundEnvelope } from '#netd/gossip/wire/networkdb-encode.ts';
import { withCrc } from '#netd/gossip/wire/packet.ts';
import { encodeUserPacket, encodeUserStream } from '#netd/gossip/wire/user-stream.ts';

/** What no input grows beyond: a few times a datagram, so that compound lengths overflow too. */
const MAX_BYTES = 300_000;
const MAX_STEPS = 6;

type Mutation = (input: Buffer, random: Random, corpus: readonly Buffer[]) => Buffer;

/** Bytes that mean something: msgpack tags and limits, protobuf tags, message types. */
const TELLING = [
  0, 1, 2, 4, 6, 7, 8, 9, 10, 12, 13, 0x1f, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc7,
].concat([
  0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd3, 0xd4, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xf4, 0xff,
]);
/** Numbers as msgpack and varints that have broken decoders before. */
const NUMBERS = [
  '7f',
  'cc80',
  'ccff',
  'cdffff',
  'ceffffffff',
  'cf0000000100000000',
  'cfffffffffffffffff',
  'd0ff',
  'd38000000000000000',
]
  .concat([
    'ffffffffffffffffff01',
    '8080808080808080808001',
    'ffffffff0f',
    '80808080808080808000',
    'dbffffffff',
    'dfffffffff',
    'ddffffffff',
  ])
  .map((hex) => Buffer.from(hex, 'hex'));

const MUTATIONS: readonly Mutation[] = [
  (input, random) => changed(input, random, (byte) => byte ^ (1 << uniformInt(random, 0, 8))),
  (input, random) => changed(input, random, () => TELLING[uniformInt(random, 0, TELLING.length)] ?? 0),
  (input, random) => changed(input, random, (byte) => byte + (random() < 0.5 ? 1 : -1)),
  (input, random) => input.subarray(0, uniformInt(random, 0, input.length + 1)),
  (input, random) => Buffer.concat([input, noise(random, uniformInt(random, 1, 65))]),
  (input, random) => cutOut(input, random, Buffer.alloc(0)),
  (input, random) => cutOut(input, random, NUMBERS[uniformInt(random, 0, NUMBERS.length)] ?? Buffer.alloc(0)),
  (input, random) => cutOut(input, random, noise(random, uniformInt(random, 0, 20))),
  (input, random, corpus) => {
    const other = one(corpus, random);
    return Buffer.concat([
      input.subarray(0, uniformInt(random, 0, input.length + 1)),
      other.subarray(uniformInt(random, 0, other.length + 1)),
    ]);
  },
  (input, random) => {
    const [start, end] = stretch(input, random);
    return Buffer.concat([
      input.subarray(0, end),
      ...new Array<Buffer>(uniformInt(random, 1, 40)).fill(input.subarray(start, end)),
      input.subarray(end),
    ]);
  },
  (input, random, corpus) =>
    encodeCompounds([fitting(input), fitting(one(corpus, random)), fitting(input)])[0] ?? input,
  (input) => compress(input),
  (input) => withCrc(input),
  (input) => encodeUserPacket(input),
  (input) => encodeUserStream(input),
  (input, random, corpus) => encodeCompoundEnvelope([input, one(corpus, random), input]),
];

/** A descendant of `input` by a few random mutations. */
export function mutate(input: Buffer, random: Random, corpus: readonly Buffer[]): Buffer {
  let current: Buffer = Buffer.from(input);
  const steps = uniformInt(random, 1, MAX_STEPS + 1);
  for (let step = 0; step < steps; step++) {
    const mutation = MUTATIONS[uniformInt(random, 0, MUTATIONS.length)];
    current = mutation?.(current, random, corpus) ?? current;
    if (current.length > MAX_BYTES) current = current.subarray(0, MAX_BYTES);
  }
  return current;
}

export function noise(random: Random, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, () => random() * 256));
}

/** A compound's parts have two-byte lengths. */
function fitting(part: Buffer): Buffer {
  return part.subarray(0, 0xffff);
}

function one(corpus: readonly Buffer[], random: Random): Buffer {
  return corpus[uniformInt(random, 0, corpus.length)] ?? Buffer.alloc(0);
}

function changed(input: Buffer, random: Random, change: (byte: number) => number): Buffer {
  const output = Buffer.from(input);
  const at = uniformInt(random, 0, output.length);
  if (at < output.length) output[at] = change(output[at] ?? 0);
  return output;
}

function stretch(input: Buffer, random: Random): [number, number] {
  const start = uniformInt(random, 0, input.length + 1);
  return [start, Math.min(input.length, start + uniformInt(random, 0, 40))];
}

function cutOut(input: Buffer, random: Random, replacement: Buffer): Buffer {
  const [start, end] = stretch(input, random);
  return Buffer.concat([input.subarray(0, start), replacement, input.subarray(end)]);
}
