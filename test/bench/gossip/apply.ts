import { seededRandom } from '#base/random.ts';
import { Core } from '#netd/gossip/core.ts';
import {
  encodeCompoundEnvelope,
  encodeEnvelope,
  encodeNetworkEvent,
  encodeTableEvent,
} from '#netd/gossip/wire/networkdb-encode.ts';
import { openPacket, sealPacket } from '#netd/gossip/wire/packet.ts';
import { encodeSwim } from '#netd/gossip/wire/swim-encode.ts';
import { DOCKER_VERSIONS, NO_META } from '#netd/gossip/wire/swim-message.ts';
import { encodeUserPacket } from '#netd/gossip/wire/user-stream.ts';
import { realisticRow } from './rows.ts';

const KEY = Buffer.alloc(16, 1);
const NETWORK = 'network'.padEnd(25, '0');
const OWNER = 'b7702e6f55aa';
const PEER = { ip: '10.0.0.12', port: 7946 };
/** As many as fit into a packet of 1,400 bytes. */
const EVENTS_EACH = 6;

/** Table events a second that one core decrypts, decompresses, decodes and applies, each new, as gossip brings them. */
export function measureApply(events: number): number {
  const core = new Core(
    { name: '3f9a1c0d7e21', address: { ip: '10.0.0.11', port: 7946 }, packetBytes: 1400 },
    0,
    seededRandom(1),
  );
  const alive = {
    kind: 'alive',
    node: OWNER,
    incarnation: 1,
    ...PEER,
    meta: NO_META,
    versions: DOCKER_VERSIONS,
  } as const;
  const join = encodeNetworkEvent({ type: 'join', time: 1n, node: OWNER, network: NETWORK });
  core.step(0, { kind: 'attach', network: NETWORK });
  core.step(0, { kind: 'packet', from: PEER, packet: encodeSwim(alive) });
  core.step(0, { kind: 'packet', from: PEER, packet: encodeUserPacket(encodeEnvelope('networkEvent', join)) });
  const datagrams: Buffer[] = [];
  for (let first = 0; first < events; first += EVENTS_EACH) {
    const packet = encodeUserPacket(
      encodeCompoundEnvelope(Array.from({ length: EVENTS_EACH }, (_, i) => eventOf(first + i))),
    );
    datagrams.push(sealPacket(packet, true, KEY, Buffer.alloc(12, first)));
  }
  const before = process.threadCpuUsage();
  for (const datagram of datagrams) core.step(1, { kind: 'packet', from: PEER, packet: openPacket(datagram, [KEY]) });
  const { user, system } = process.threadCpuUsage(before);
  const applied = core.db.state.rows.size;
  if (applied < events) throw new Error(`${applied} of ${events} events were applied`);
  return applied / ((user + system) / 1e6);
}

function eventOf(index: number): Buffer {
  const row = realisticRow(index);
  const event = {
    type: 'create',
    time: BigInt(index + 1),
    owner: OWNER,
    network: NETWORK,
    residualSec: 0,
    ...row,
  } as const;
  return encodeEnvelope('tableEvent', encodeTableEvent(event));
}
