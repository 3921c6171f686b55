import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { ContainerSpecSchema, TaskSpecSchema } from '#proto/gen/swarmkit/types_pb.js';
import { containerResources } from './resources.ts';

type TaskInit = MessageInitShape<typeof TaskSpecSchema>;
type SpecInit = MessageInitShape<typeof ContainerSpecSchema>;
const GIB = 1n << 30n;

it.each<[string, TaskInit, SpecInit, object]>([
  ['nothing', {}, {}, {}],
  ['empty messages', { resources: { limits: {}, reservations: {} } }, {}, {}],
  ['a limit of memory', { resources: { limits: { memoryBytes: GIB } } }, {}, { Memory: 2 ** 30 }],
  ['a limit of CPU', { resources: { limits: { nanoCpus: 1_500_000_000n } } }, {}, { NanoCpus: 1.5e9 }],
  ['no reservation', { resources: { reservations: { memoryBytes: GIB, nanoCpus: 1n } } }, {}, {}],
  [
    'swap on top of memory',
    { resources: { limits: { memoryBytes: GIB }, swapBytes: GIB } },
    {},
    { Memory: 2 ** 30, MemorySwap: 2 ** 31 },
  ],
  [
    'no swap at all',
    { resources: { limits: { memoryBytes: GIB }, swapBytes: 0n } },
    {},
    { Memory: 2 ** 30, MemorySwap: 2 ** 30 },
  ],
  [
    'swap without limit',
    { resources: { limits: { memoryBytes: GIB }, swapBytes: -1n } },
    {},
    { Memory: 2 ** 30, MemorySwap: -1 },
  ],
  [
    'swap that makes no sense',
    { resources: { limits: { memoryBytes: GIB }, swapBytes: -2n } },
    {},
    { Memory: 2 ** 30 },
  ],
  ['swap without a limit of memory', { resources: { swapBytes: GIB } }, {}, {}],
  ['swappiness 0', { resources: { memorySwappiness: 0n } }, {}, { MemorySwappiness: 0 }],
  ['processes', {}, { pidsLimit: 100n }, { PidsLimit: 100 }],
  ['processes without limit', {}, { pidsLimit: -1n }, {}],
  [
    'ulimits, in order',
    {},
    {
      ulimits: [
        { name: 'nofile', soft: 1024n, hard: 2048n },
        { name: 'core', soft: -1n, hard: -1n },
      ],
    },
    {
      Ulimits: [
        { Name: 'nofile', Soft: 1024, Hard: 2048 },
        { Name: 'core', Soft: -1, Hard: -1 },
      ],
    },
  ],
])('%s', (_, taskInit, specInit, expected) => {
  expect(containerResources(create(TaskSpecSchema, taskInit), create(ContainerSpecSchema, specInit))).toEqual(expected);
});
