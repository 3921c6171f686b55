import * as z from 'zod/mini';
import { HOP_STEPS } from '#netd/path/hop.ts';
import type * as documents from './documents.ts';
import { SCHEMA_VERSION } from './documents.ts';
import { type NetworksFact, OVERLAY_STATES } from './network-facts.ts';

// The overlay networks' part of the local API's schemas: see schema.ts.

type Schema<T> = z.ZodMiniType<T>;

const text = z.string();
const count = z.number();
const moment = z.iso.datetime();
const texts = z.array(text);
const maybeText = z.nullable(text);

const state = z.enum(OVERLAY_STATES);
const finding = z.object({ level: z.enum(['error', 'warning']), code: text, text });
const counts = z.object({
  namespace: count,
  sysctl: count,
  link: count,
  address: count,
  neighbour: count,
  forwarding: count,
});
const counters = z.object({
  queries: count,
  answered: count,
  forwarded: count,
  failed: count,
  truncated: count,
  malformed: count,
  ignored: count,
});
const drift = z.object({
  network: text,
  what: text,
  since: moment,
  how: text,
  mendedAt: z.nullable(moment),
  error: maybeText,
});
const driftSummary = {
  total: count,
  counts,
  open: z.array(drift),
  recurring: z.array(z.object({ network: text, what: text, times: count, since: moment })),
};

export const networks = z.object({
  driverProblem: maybeText,
  networks: z.array(
    z.object({
      id: text,
      name: text,
      state,
      reason: maybeText,
      endpoints: count,
      remote: z.object({ wanted: count, programmed: count }),
      findings: z.array(finding),
    }),
  ),
  drift: z.object(driftSummary),
  passes: z.object({ done: count, failed: count }),
  dns: z.object({
    containers: count,
    failed: z.array(z.object({ container: text, error: text })),
    counters,
  }),
}) satisfies Schema<NetworksFact>;

const head = { schemaVersion: z.literal(SCHEMA_VERSION), at: moment };

const link = z.object({ name: text, state: z.enum(['up', 'down', 'absent']) });

const endpoint = z.object({
  id: text,
  container: maybeText,
  taskId: maybeText,
  address: text,
  mac: text,
  interface: maybeText,
  sandbox: maybeText,
  port: z.nullable(link),
  published: z.boolean(),
  row: z.enum(['none', 'active', 'disabled']),
});

export const networksSchema = z.object({
  ...head,
  driverProblem: maybeText,
  networks: z.array(
    z.object({
      id: text,
      name: text,
      state,
      reason: maybeText,
      internal: z.boolean(),
      mtu: z.nullable(count),
      namespace: text,
      subnets: z.array(z.object({ subnet: text, gateway: text, vni: count, bridge: link, vxlan: link })),
      endpoints: z.array(endpoint),
      peers: z.array(z.object({ vtep: text, nodes: z.array(z.object({ name: text, state: text })), addresses: count })),
      rows: z.object({
        known: count,
        wanted: count,
        programmed: count,
        refused: z.record(z.string(), count),
        contested: z.array(z.object({ ip: text, claims: texts })),
      }),
      findings: z.array(finding),
      hold: maybeText,
      adoption: z.nullable(z.object({ repairs: count, destructive: count })),
      lastPass: z.nullable(
        z.object({ at: moment, tookMs: count, ops: count, failures: z.array(z.object({ op: text, reason: text })) }),
      ),
      drifted: count,
    }),
  ),
}) satisfies Schema<documents.NetworksDocument>;

const server = z.object({ address: text, from: z.enum(['host', 'container']) });

export const dnsSchema = z.object({
  ...head,
  hostServers: texts,
  containers: z.array(
    z.object({
      container: text,
      taskId: maybeText,
      sandbox: text,
      state: z.enum(['starting', 'serving', 'failed']),
      error: maybeText,
      networks: z.array(z.object({ id: text, name: text, names: count })),
      servers: z.array(server),
      internalOnly: z.boolean(),
      waiting: count,
      repairs: count,
      counters,
    }),
  ),
}) satisfies Schema<documents.DnsDocument>;

const outcome = z.union([
  z.object({
    kind: z.literal('addresses'),
    network: text,
    addresses: z.array(z.object({ address: text, endpoints: z.array(z.object({ id: text, name: text })) })),
  }),
  z.object({ kind: z.literal('no-records'), reason: text }),
  z.object({ kind: z.literal('pointer'), target: text }),
  z.object({ kind: z.literal('forward'), servers: z.array(server) }),
  z.object({ kind: z.literal('servfail'), reason: text }),
]);

export const lookupSchema = z.object({
  ...head,
  container: text,
  explanation: z.nullable(
    z.object({
      name: text,
      type: text,
      searched: texts,
      records: z.array(z.object({ network: text, key: text, addresses: texts })),
      outcome,
    }),
  ),
}) satisfies Schema<documents.LookupDocument>;

export const driftSchema = z.object({
  ...head,
  ...driftSummary,
  mended: z.array(drift),
}) satisfies Schema<documents.DriftDocument>;

const hop = z.object({
  step: z.enum(HOP_STEPS),
  place: z.enum(['container', 'overlay', 'host', 'gossip', 'target']),
  verdict: z.enum(['ok', 'note', 'wrong']),
  found: text,
  mend: maybeText,
});

export const pathSchema = z.object({
  ...head,
  from: z.object({ name: text, places: z.array(z.object({ network: text, address: text })) }),
  to: text,
  name: z.nullable(hop),
  walks: z.array(z.object({ address: text, names: texts, network: maybeText, hops: z.array(hop) })),
  notWalked: texts,
  fault: z.nullable(z.object({ address: maybeText, hop })),
}) satisfies Schema<documents.PathDocument>;
