import { createLogger } from '#base/log.ts';
import { GOSSIP_SUBSYSTEM, keyringOf, keySetOf } from '#netd/gossip/keys/keyring.ts';
import { startGossip } from '#netd/gossip/node.ts';
import type { Address } from '#netd/gossip/wire/swim-message.ts';
import { returnLargeMemory } from '#netd/kernel/allocator.ts';

/** The node that is measured, in a process of its own: nothing but gossip, over real sockets. */

export type Command =
  | { readonly kind: 'start'; readonly ip: string; readonly keys: readonly string[] }
  | { readonly kind: 'join'; readonly addresses: readonly Address[]; readonly networks: readonly string[] }
  | { readonly kind: 'watch' }
  | { readonly kind: 'report' };

export interface Report {
  readonly address: Address;
  readonly name: string;
  readonly peers: number;
  readonly rows: number;
  readonly backlogBytes: number;
  readonly counters: Readonly<Record<string, number>>;
  /** The longest turns since the last report, in processor time of the main thread. Zero when nobody watched. */
  readonly longestTurnMs: number;
}

// As agent/main.ts does.
returnLargeMemory();

let node: Awaited<ReturnType<typeof startGossip>> | undefined;
let longestTurnMs = 0;
let watching = false;

process.on('message', async (command: Command) => {
  switch (command.kind) {
    case 'start': {
      const keys = command.keys.map((hex, i) => ({
        subsystem: GOSSIP_SUBSYSTEM,
        key: Buffer.from(hex, 'hex'),
        lamportTime: BigInt(i + 1),
      }));
      const set = keySetOf(keys, GOSSIP_SUBSYSTEM);
      if (set === undefined) throw new Error('no keys');
      const listen = { ip: command.ip, port: 0 };
      // What a daemon logs is part of what it costs.
      const logger = createLogger('info');
      node = await startGossip({ listen, advertiseIp: command.ip, keyring: keyringOf(set), logger });
      break;
    }
    case 'join':
      node?.join(command.addresses);
      for (const network of command.networks) node?.tables.attach(network);
      return;
    case 'watch':
      watchTurns();
      return;
    case 'report':
      break;
  }
  if (node === undefined) return;
  const { rows, bulkSync, counters, members } = node.summary();
  const report: Report = {
    address: node.address,
    name: node.name,
    peers: members.alive,
    rows,
    backlogBytes: bulkSync.backlogBytes,
    counters,
    longestTurnMs,
  };
  longestTurnMs = 0;
  watching = false;
  process.send?.(report);
});
process.on('disconnect', () => process.exit(0));

/** Takes every turn of the event loop and notes how much the one before cost, until the next report. */
function watchTurns(): void {
  watching = true;
  let lastMs = busyMs();
  const look = () => {
    if (!watching) return;
    const nowMs = busyMs();
    longestTurnMs = Math.max(longestTurnMs, nowMs - lastMs);
    lastMs = nowMs;
    setImmediate(look);
  };
  setImmediate(look);
}

function busyMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
