import { type DescriptionFact, isoTimeOrNull } from '#agent/api/view.ts';
import type { NodeDescription } from '#proto/gen/swarmkit/types_pb.js';

/** A node description as the local API shows it. */
export function descriptionFact(description: NodeDescription, sentAtMs: number | null): DescriptionFact {
  const { hostname, platform, resources, engine } = description;
  return {
    hostname,
    architecture: platform?.architecture ?? '',
    os: platform?.os ?? '',
    nanoCpus: Number(resources?.nanoCpus ?? 0n),
    memoryBytes: Number(resources?.memoryBytes ?? 0n),
    genericResources: (resources?.generic ?? []).flatMap(({ resource }) => {
      if (resource.case === undefined) return [];
      const { kind, value } = resource.value;
      return [{ kind, value: typeof value === 'bigint' ? Number(value) : value }];
    }),
    engineVersion: engine?.engineVersion ?? '',
    engineLabels: engine?.labels ?? {},
    plugins: (engine?.plugins ?? []).map(({ type, name }) => ({ type, name })),
    sentAt: isoTimeOrNull(sentAtMs),
  };
}
