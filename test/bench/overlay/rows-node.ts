import { silentLogger } from '#base/log.ts';
import { GOSSIP_SUBSYSTEM, type Keyring, keyringOf, keySetOf } from '#netd/gossip/keys/keyring.ts';
import { startGossip } from '#netd/gossip/node.ts';
import type { OverlayPeer } from '#netd/gossip/records.ts';
import type { Address } from '#netd/gossip/wire/swim-message.ts';

/** Another node of the network, in a process of its own, that has very many containers. */

export type Command =
  | { readonly kind: 'start'; readonly ip: string; readonly network: string; readonly rows: number }
  | { readonly kind: 'add' | 'remove'; readonly row: number };

export interface Started {
  readonly address: Address;
}

/** The node's address as others see it. */
export const VTEP = '192.168.50.2';

/** The keys that both nodes have. */
export function benchKeyring(): Keyring {
  const keys = ['01', '02', '03'].map((byte, i) => ({
    subsystem: GOSSIP_SUBSYSTEM,
    key: Buffer.from(byte.repeat(16), 'hex'),
    lamportTime: BigInt(i + 1),
  }));
  const set = keySetOf(keys, GOSSIP_SUBSYSTEM);
  if (set === undefined) throw new Error('unreachable: three keys are a set');
  return keyringOf(set);
}

/** Where a container is, in 10.100.0.0/16. */
export function peerRow(row: number): OverlayPeer {
  const [high, low] = [(row >> 8) + 1, row & 255];
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  const mac = `02:42:0a:64:${hex(high)}:${hex(low)}`;
  return { ip: `10.100.${high}.${low}`, prefixLength: 16, mac, tunnelIp: VTEP };
}

if (import.meta.main) {
  let network = '';
  let node: Awaited<ReturnType<typeof startGossip>> | undefined;
  process.on('message', async (command: Command) => {
    if (command.kind !== 'start') {
      const key = keyOf(command.row);
      if (command.kind === 'add') node?.tables.publishPeer(network, key, peerRow(command.row));
      else node?.tables.withdrawPeer(network, key);
      return;
    }
    const { ip, rows } = command;
    network = command.network;
    const options = { keyring: benchKeyring(), logger: silentLogger };
    node = await startGossip({ listen: { ip, port: 0 }, advertiseIp: ip, ...options });
    node.tables.attach(network);
    for (let row = 0; row < rows; row++) node.tables.publishPeer(network, keyOf(row), peerRow(row));
    process.send?.({ address: node.address } satisfies Started);
  });
  process.on('disconnect', () => process.exit(0));
}

function keyOf(row: number): string {
  return `endpoint${row}`;
}
