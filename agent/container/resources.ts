import type { ContainerSpec, TaskSpec } from '#proto/gen/swarmkit/types_pb.js';
import type { ResourcesBody } from './engine-bodies.ts';

/**
 * Limits of memory, swap, CPU, processes and the ulimits. Reservations are the scheduler's business and not applied
 * (spec swarmkit-worker §4.9). Swap and swappiness are applied as Docker's workers do since they know them: the
 * protocol's swap is swap alone, the engine's is memory and swap together.
 */
export function containerResources(taskSpec: TaskSpec, spec: ContainerSpec): ResourcesBody {
  const { limits, swapBytes, memorySwappiness } = taskSpec.resources ?? {};
  const memory = limits?.memoryBytes ?? 0n;
  const nanoCpus = limits?.nanoCpus ?? 0n;
  return {
    ...(memory > 0n && { Memory: Number(memory) }),
    ...(memory > 0n && swapBytes !== undefined && memorySwap(memory, swapBytes)),
    ...(memorySwappiness !== undefined && { MemorySwappiness: Number(memorySwappiness) }),
    ...(nanoCpus > 0n && { NanoCpus: Number(nanoCpus) }),
    ...(spec.pidsLimit > 0n && { PidsLimit: Number(spec.pidsLimit) }),
    ...(spec.ulimits.length > 0 && {
      Ulimits: spec.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: Number(soft), Hard: Number(hard) })),
    }),
  };
}

/** -1 is no limit of swap; below that is nothing anybody defined, so it counts as not given. */
function memorySwap(memory: bigint, swap: bigint): ResourcesBody {
  if (swap === -1n) return { MemorySwap: -1 };
  return swap >= 0n ? { MemorySwap: Number(memory + swap) } : {};
}
