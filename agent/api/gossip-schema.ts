import * as z from 'zod/mini';
import type { GossipSummary, NetworkView } from '#netd/gossip/view.ts';
import type { GossipDocument } from './documents.ts';
import { SCHEMA_VERSION } from './documents.ts';
import * as facts from './gossip-facts.ts';

// The gossip's part of the local API's schemas: see schema.ts.

const text = z.string();
const count = z.number();
const moment = z.iso.datetime();
const texts = z.array(text);
const counts = z.record(z.string(), count);

const fault = z.object({ code: text, what: text, mend: z.nullable(text) });

const summary = z.object({
  name: text,
  address: text,
  healthScore: count,
  incarnation: count,
  leaving: z.boolean(),
  clocks: z.object({ network: text, table: text }),
  keys: z.object({ primary: text, others: texts }),
  members: z.object({ alive: count, suspect: count, dead: count, left: count }),
  activePeers: count,
  attached: count,
  queues: z.object({ members: count, networkEvents: count, nodeEvents: count, overflows: count }),
  bulkSync: z.object({ queued: count, sending: count, awaited: count, backlogBytes: count }),
  rows: count,
  refusedMessages: count,
  counters: counts,
  facts: counts,
}) satisfies z.ZodMiniType<GossipSummary>;

export const gossip = z.object({
  state: z.enum(facts.GOSSIP_STATES),
  since: z.nullable(moment),
  error: z.nullable(fault),
  unreachable: z.nullable(z.object({ addresses: texts, reason: text, since: moment })),
  keysRefused: z.nullable(text),
  dataPath: z.nullable(z.object({ address: text, port: count })),
  dataPathError: z.nullable(fault),
  node: z.nullable(summary),
}) satisfies z.ZodMiniType<facts.GossipFact>;

const peer = z.object({
  name: text,
  address: text,
  manager: z.boolean(),
  state: z.enum(facts.MEMBER_STATES),
  since: moment,
  heardAt: z.nullable(moment),
  incarnation: count,
  status: z.nullable(z.enum(facts.PEER_STATUSES)),
  networks: texts,
  rows: count,
}) satisfies z.ZodMiniType<facts.GossipPeerFact>;

const network = z.object({
  id: text,
  leaving: z.boolean(),
  inSync: z.boolean(),
  nodes: texts,
  tables: z.array(z.object({ name: text, rows: count, own: count, tombstones: count })),
  queue: z.object({ own: count, relayed: count }),
}) satisfies z.ZodMiniType<NetworkView>;

export const gossipSchema = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  at: moment,
  gossip,
  peers: z.array(peer),
  networks: z.array(network),
}) satisfies z.ZodMiniType<GossipDocument>;
