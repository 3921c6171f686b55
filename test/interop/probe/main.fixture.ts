import { createServer } from 'node:net';
import { createLogger } from '#base/log.ts';
import { GOSSIP_SUBSYSTEM, keyringOf, keySetOf } from '#netd/gossip/keys/keyring.ts';
import type { RowChange } from '#netd/gossip/networkdb/rows.ts';
import { ENDPOINT_TABLE } from '#netd/gossip/networkdb/table-events.ts';
import { type GossipNode, startGossip } from '#netd/gossip/node.ts';
import { decodeEndpoint } from '#netd/gossip/records.ts';
import { parseManagerAddress } from '#pki/address.ts';
import type { SessionMessage } from '#proto/gen/swarmkit/dispatcher_pb.js';
import type { ChangeSeen, Command, Outcome, ProbeConfig } from './commands.ts';
import { runSwarmWorker } from './swarm-worker.ts';

/**
 * Runs in a test host: a worker of the swarm that has nothing but netd's gossip, with the keys and the peers its manager
 * tells it. What the rest of netd would do with the tables, the test does by commands on a socket.
 */

const GOSSIP_PORT = 7946;
/** The gossip answers a leave within seven seconds; the process follows when the answer is on its way. */
const EXIT_AFTER_MS = 200;

const config = JSON.parse(process.argv[2] ?? '') as ProbeConfig;
const logger = createLogger('debug');
const changes = new Map<string, ChangeSeen[]>();
/** The gossip, once the manager has told the keys. */
const node = Promise.withResolvers<GossipNode>();
let isStarted = false;

async function onMessage(message: SessionMessage): Promise<void> {
  const keys = keySetOf(message.networkBootstrapKeys, GOSSIP_SUBSYSTEM);
  if (keys === undefined) return;
  const keyring = keyringOf(keys);
  if (isStarted) {
    (await node.promise).setKeyring(keyring);
    return;
  }
  isStarted = true;
  const { advertiseIp } = config;
  const started = await startGossip({
    listen: { ip: advertiseIp, port: GOSSIP_PORT },
    advertiseIp,
    keyring,
    logger,
  });
  started.tables.watch((network, some) => seenOf(network).push(...some.map(changeSeen)));
  const managers = message.managers.map(({ peer }) => parseManagerAddress(peer?.addr ?? '').host);
  started.join(managers.map((ip) => ({ ip, port: GOSSIP_PORT })));
  node.resolve(started);
}

/** One line in, one line out, for each connection. A command that comes early waits. */
function listen(): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => undefined);
    socket.on('end', async () => socket.end(jsonOf(await outcomeOf(await node.promise, text))));
  });
  server.listen(config.socketPath);
}

/** Lamport times as text: no test counts with them. */
function jsonOf(outcome: Outcome): string {
  return JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
}

async function outcomeOf(gossip: GossipNode, text: string): Promise<Outcome> {
  try {
    return { ok: true, answer: (await carryOut(gossip, JSON.parse(text) as Command)) ?? null };
  } catch (error) {
    return { ok: false, error: String(error) };
  }
}

async function carryOut(gossip: GossipNode, command: Command): Promise<unknown> {
  const { tables } = gossip;
  switch (command.command) {
    case 'attach':
      return tables.attach(command.network);
    case 'detach':
      return tables.detach(command.network);
    case 'publishEndpoint':
      return tables.publishEndpoint(command.network, command.id, command.endpoint);
    case 'publishPeer':
      return tables.publishPeer(command.network, command.id, command.peer);
    case 'withdrawEndpoint':
      return tables.withdrawEndpoint(command.network, command.id);
    case 'withdrawPeer':
      return tables.withdrawPeer(command.network, command.id);
    case 'snapshot':
      return tables.snapshot(command.network);
    case 'changes':
      return seenOf(command.network);
    case 'view':
      return gossip.view();
    case 'leave':
      await gossip.leave();
      setTimeout(() => process.exit(), EXIT_AFTER_MS);
      return null;
  }
}

function seenOf(network: string): ChangeSeen[] {
  const seen = changes.get(network) ?? [];
  changes.set(network, seen);
  return seen;
}

function changeSeen({ table, key, before, after }: RowChange): ChangeSeen {
  const kind = before === undefined ? 'came' : after === undefined ? 'gone' : 'changed';
  const value = (after ?? before)?.value;
  const endpoint = table === ENDPOINT_TABLE && value !== undefined ? decodeEndpoint(value) : undefined;
  return { table, key, kind, disabled: endpoint?.disabled ?? false };
}

listen();
await runSwarmWorker(config, logger, (message) => void onMessage(message), new AbortController().signal);
