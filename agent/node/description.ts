import { create } from '@bufbuild/protobuf';
import * as z from 'zod/mini';
import type { GenericResource as GenericResourceOffer } from '#agent/config/generic-resources.ts';
import type { EngineInfo } from '#agent/engine/engine.ts';
import type { EngineFacts } from '#agent/engine/engine-watch.ts';
import { NETD_DRIVER } from '#netd/driver/options.ts';
import {
  type GenericResource,
  GenericResourceSchema,
  type NodeDescription,
  NodeDescriptionSchema,
} from '#proto/gen/swarmkit/types_pb.js';

/** What goes into a description beside what the engine says. */
export interface OwnFacts {
  readonly labels: Readonly<Record<string, string>>;
  /** In place of the engine's, if there are any. */
  readonly genericResources: readonly GenericResourceOffer[];
  readonly tls: {
    readonly trustRoot: Uint8Array;
    readonly issuerSubject: Uint8Array;
    readonly issuerPublicKey: Uint8Array;
  };
  readonly fips: boolean;
}

/**
 * What this node tells the manager of itself (spec swarmkit-worker §2.8): the engine's host, capacity, labels and plugins.
 * Deterministic, or the session would be opened anew at every comparison.
 */
export function describeNode(engine: EngineFacts, own: OwnFacts): NodeDescription {
  const { info, version } = engine;
  return create(NodeDescriptionSchema, {
    hostname: info.Name,
    platform: { architecture: info.Architecture ?? '', os: info.OSType ?? '' },
    resources: {
      nanoCpus: BigInt(info.NCPU) * 1_000_000_000n,
      memoryBytes: BigInt(info.MemTotal ?? 0),
      generic: (own.genericResources.length > 0 ? own.genericResources : offersOf(info.GenericResources)).map(
        genericResource,
      ),
    },
    engine: {
      engineVersion: version.Version,
      labels: sortedRecord({ ...labelsOf(info.Labels ?? []), ...own.labels }),
      plugins: pluginsOf(engine),
    },
    tlsInfo: {
      trustRoot: own.tls.trustRoot,
      certIssuerSubject: own.tls.issuerSubject,
      certIssuerPublicKey: own.tls.issuerPublicKey,
    },
    fips: own.fips,
  });
}

/** Network drivers netd carries itself: the scheduler passes over nodes that do not report them. */
const OWN_NETWORK_DRIVERS = ['bridge', 'host', 'overlay'] as const;

/** Capability of a managed plugin → type the scheduler knows; others are told verbatim. */
const CAPABILITY_TYPES: Readonly<Record<string, string>> = {
  volumedriver: 'Volume',
  networkdriver: 'Network',
  logdriver: 'Log',
};

function pluginsOf({ info, plugins }: EngineFacts): { type: string; name: string }[] {
  const found = new Map<string, { type: string; name: string }>();
  const add = (type: string, name: string) => found.set(`${type}\0${name}`, { type, name });
  for (const [type, names] of Object.entries(info.Plugins ?? {})) for (const name of names ?? []) add(type, name);
  // How netd carries overlays: of no use to a scheduler, and the engine names it only once it has called it.
  found.delete(`Network\0${NETD_DRIVER}`);
  for (const name of OWN_NETWORK_DRIVERS) add('Network', name);
  for (const plugin of plugins) {
    for (const capability of plugin.Config.Interface.Types) {
      // `docker.volumedriver/1.0`
      const kind = typeof capability === 'string' ? /\.([^./]+)\//.exec(capability)?.[1] : capability.Capability;
      if (kind) add(CAPABILITY_TYPES[kind] ?? kind, plugin.Name);
    }
  }
  return [...found.values()].sort((a, b) => compare(a.type, b.type) || compare(a.name, b.name));
}

function labelsOf(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf('=');
      return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 1)];
    }),
  );
}

/** The engine's own `node-generic-resources`, as GET /info has them: in the order of a Go map, so in ours. */
function offersOf(told: EngineInfo['GenericResources']): readonly GenericResourceOffer[] {
  return (told ?? [])
    .flatMap((entry): GenericResourceOffer[] => {
      const read = engineOffer.safeParse(entry).data;
      if (read === undefined) return [];
      return 'NamedResourceSpec' in read
        ? [{ tag: 'named', kind: read.NamedResourceSpec.Kind, value: read.NamedResourceSpec.Value }]
        : [{ tag: 'discrete', kind: read.DiscreteResourceSpec.Kind, value: read.DiscreteResourceSpec.Value }];
    })
    .sort((a, b) => compare(a.kind, b.kind) || compare(String(a.value), String(b.value)));
}

const engineOffer = z.union([
  z.object({ NamedResourceSpec: z.object({ Kind: z.string(), Value: z.string() }) }),
  z.object({ DiscreteResourceSpec: z.object({ Kind: z.string(), Value: z.int() }) }),
]);

function genericResource(offer: GenericResourceOffer): GenericResource {
  const { kind } = offer;
  return create(GenericResourceSchema, {
    resource:
      offer.tag === 'discrete'
        ? { case: 'discreteResourceSpec', value: { kind, value: BigInt(offer.value) } }
        : { case: 'namedResourceSpec', value: { kind, value: offer.value } },
  });
}

function sortedRecord(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => compare(a, b)));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
