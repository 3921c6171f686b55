import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { silentLogger } from '#base/log.ts';
import {
  aliveOf,
  attached,
  bulkSync,
  entryOf,
  joinNetwork,
  NET,
  peerOf,
  pushPull,
  roster,
  SELF,
  Stage,
  tableEvent,
} from './core-testkit.ts';
import { GOSSIP_SUBSYSTEM, type Keyring, keyringOf, keySetOf } from './keys/keyring.ts';
import { startGossip } from './node.ts';
import { openPacket, sealPacket } from './wire/packet.ts';
import { decodePushPull } from './wire/push-pull.ts';
import { decodeSwim } from './wire/swim-decode.ts';
import { encodeSwim } from './wire/swim-encode.ts';
import { decodeUserStream, encodeUserStream } from './wire/user-stream.ts';

describe('a peer that floods', () => {
  test('with names: members and what is said of them stay bounded, and it is told', () => {
    const stage = new Stage();
    stage.meet(1);
    for (let i = 0; i < 40_000; i++) {
      const ip = `10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
      stage.packet(1, aliveOf(1, { node: `flood${i}`, ip }));
    }
    expect(stage.core.swim.state.members.size).toBe(32_768);
    expect(stage.core.swim.state.queue.size).toBeLessThanOrEqual(8192);
    expect(stage.facts.some((fact) => fact.kind === 'dropped' && fact.what === 'node')).toBe(true);
    expect(stage.memberState(1)).toBe('alive');
  });

  test('with claims to the name of others, or beyond what is held: the log has a line of it, not thousands', async () => {
    const told: string[] = [];
    const logger = { ...silentLogger, warn: (_: unknown, message: string) => told.push(message) };
    const key = Buffer.alloc(16, 2);
    const ip = '127.0.9.3';
    const options = { listen: { ip, port: 0 }, advertiseIp: ip, keyring: threeKeys() };
    await using node = await startGossip({ ...options, logger: Object.assign(Object.create(silentLogger), logger) });
    const flooder = createSocket('udp4').bind(0, '127.0.9.66');
    try {
      await once(flooder, 'listening');
      for (let i = 0; i < 200; i++) {
        const packet = encodeSwim(aliveOf(1, { node: node.name, ip: '10.6.6.6', incarnation: i }));
        flooder.send(sealPacket(packet, false, key, Buffer.alloc(12, 3)), node.address.port, ip);
      }
      await expect.poll(() => node.summary().facts.conflict, { timeout: 5000 }).toBeGreaterThan(100);
      expect(told.filter((message) => message.startsWith('a gossip name is claimed'))).toHaveLength(1);
    } finally {
      flooder.close();
    }
  });

  test('with networks in its own name: only so many are kept', () => {
    const stage = attached(1);
    for (let i = 0; i < 6000; i++) stage.user(1, joinNetwork(1, `flood${i}`, BigInt(i + 10)));
    const { attachments, networkQueue } = stage.core.db.state;
    expect(attachments.get(peerOf(1).name)?.size).toBe(4096);
    expect(networkQueue.size).toBeLessThanOrEqual(8192);
    expect(roster(stage)).toContain(peerOf(1).name);
  });

  test('with rows: what waits to be passed on stays bounded, and ours still go out first', () => {
    const stage = attached(2);
    for (let i = 0; i < 12_000; i++) stage.user(1, tableEvent(1, { key: `flood${i}`, time: BigInt(i + 10) }));
    const own = stage.core.db.state.own.get(NET);
    expect(own?.relayed.size).toBeLessThanOrEqual(8192);
    const sinceMs = stage.nowMs;
    stage.publish('ours', 'v');
    stage.run(250);
    expect(stage.tableEvents(sinceMs).some(({ event }) => event.key === 'ours')).toBe(true);
  });

  test('with garbage over real sockets: others are still answered', async () => {
    const key = Buffer.alloc(16, 2);
    const ip = '127.0.9.1';
    await using node = await startGossip({
      listen: { ip, port: 0 },
      advertiseIp: ip,
      keyring: threeKeys(),
      logger: silentLogger,
    });
    const flooder = createSocket('udp4').bind(0, '127.0.9.66');
    const honest = createSocket('udp4').bind(0, '127.0.9.2');
    try {
      await Promise.all([once(flooder, 'listening'), once(honest, 'listening')]);
      const garbage = Buffer.alloc(1400, 1);
      for (let i = 0; i < 3000; i++) flooder.send(garbage, node.address.port, ip);
      const answered = new Promise<number>((resolve) => {
        honest.on('message', (datagram) => {
          const message = decodeSwim(openPacket(datagram, [key]));
          if (message?.kind === 'ack') resolve(message.seqNo);
        });
      });
      const ping = encodeSwim({ kind: 'ping', seqNo: 77, node: node.name, source: undefined });
      const again = setInterval(
        () => honest.send(sealPacket(ping, false, key, Buffer.alloc(12, 3)), node.address.port, ip),
        50,
      );
      expect(await answered).toBe(77);
      clearInterval(again);
      expect(node.view().peers).toEqual([]);
    } finally {
      flooder.close();
      honest.close();
    }
  });
});

describe('a peer with our name', () => {
  test('in a push/pull: we keep our address, object, and say so', () => {
    const stage = attached(1);
    const before = stage.core.swim.state.self.incarnation;
    stage.request(pushPull(1, [entryOf(1), entryOf(1, { name: SELF.name, ip: '10.9.9.9', incarnation: before })]));
    stage.run(1000);
    expect(stage.core.swim.state.self).toMatchObject({ ip: SELF.address.ip, incarnation: before + 1, state: 'alive' });
    expect(stage.facts.filter((fact) => fact.kind === 'conflict' && fact.node === SELF.name)).toHaveLength(1);
  });

  test('its detaching is not ours, and its rows are not ours', () => {
    const stage = attached(1);
    stage.publish('k', 'ours');
    const leaving = { network: NET, node: SELF.name, time: 1000n, leaving: true };
    stage.request(pushPull(1, [entryOf(1)], [leaving]));
    stage.user(1, tableEvent(1, { owner: SELF.name, key: 'k', value: 'theirs', time: 900n }));
    expect(roster(stage)).toContain(SELF.name);
    expect(stage.row('k')).toMatchObject({ value: 'ours', deleted: false });
  });
});

describe('a peer with a poisoned Lamport clock', () => {
  test('that shows the highest time we believe: what we say afterwards is believed by others like us', () => {
    const [stage, other] = [attached(2), attached(2)];
    const time = 2n ** 63n - 2n ** 32n;
    for (const one of [stage, other]) one.user(1, tableEvent(1, { key: 'ahead', time }));
    stage.publish('ours', 'v');
    const ours = stage.row('ours');
    expect(ours?.time).toBe(time + 2n);
    other.user(2, tableEvent(2, { key: 'ours', time: ours?.time ?? 0n, value: 'v' }));
    expect(other.row('ours')?.value).toBe('v');
  });

  test.each([2n ** 63n, 2n ** 63n + 1n, 2n ** 64n - 1n])(
    '%i is refused wherever it comes, and our clocks go on',
    (time) => {
      const stage = attached(1);
      const { networkClock, tableClock } = stage.core.db.state;
      const before = [networkClock.time, tableClock.time];
      stage.user(1, joinNetwork(1, NET, time));
      stage.user(1, tableEvent(1, { key: 'poison', time }));
      stage.request(bulkSync(1, [tableEvent(1, { key: 'poison', time })], { time: 0n }));
      stage.request(bulkSync(1, [], { time }));
      stage.request(pushPull(1, [entryOf(1)], [{ network: NET, node: peerOf(1).name, time, leaving: false }]));
      expect([networkClock.time, tableClock.time]).toEqual(before);
      expect(stage.row('poison')).toBeUndefined();
      stage.publish('ours', 'v');
      expect(stage.row('ours')?.time).toBe((before[1] ?? 0n) + 1n);
    },
  );

  test('one far ahead is believed: what we say afterwards is later still, and news of the others is no worse off', () => {
    const stage = attached(2);
    stage.user(1, tableEvent(1, { key: 'ahead', time: 2n ** 62n }));
    stage.publish('ours', 'v');
    expect(stage.row('ours')?.time).toBe(2n ** 62n + 2n);
    stage.user(2, tableEvent(2, { key: 'theirs', time: 7n, value: 'late clock' }));
    expect(stage.row('theirs')?.value).toBe('late clock');
  });
});

describe('what does not belong where it comes', () => {
  test('F16 a push/pull as a user message is not merged, and a bulk sync in a packet not applied', () => {
    const stage = attached(2);
    const other = 'network2'.padEnd(25, '0');
    const attachments = [{ network: other, node: peerOf(1).name, time: 90n, leaving: false }];
    const { userState } = decodePushPull(pushPull(1, [entryOf(1)], attachments));
    stage.user(1, userState);
    stage.request(encodeUserStream(userState));
    expect(stage.core.db.state.rosters.has(other)).toBe(false);
    stage.request(pushPull(1, [entryOf(1)], attachments));
    expect(stage.core.db.state.rosters.has(other)).toBe(true);

    const sync = decodeUserStream(bulkSync(1, [tableEvent(1)]));
    stage.user(1, sync);
    // In the place of a row: a sync in a sync.
    stage.request(bulkSync(1, [sync]));
    expect(stage.row('k')).toBeUndefined();
    stage.request(encodeUserStream(sync));
    expect(stage.row('k')).toBeDefined();
  });
});

describe('memory pressure', () => {
  test('F21 a key of 64 kB is refused, the largest that may be is kept', () => {
    const stage = attached(1);
    const keys = [1024, 1025, 65_536].map((length) => 'k'.repeat(length));
    stage.request(
      bulkSync(
        1,
        keys.map((key) => tableEvent(1, { key })),
      ),
    );
    expect(keys.map((key) => stage.row(key)?.value)).toEqual(['v', undefined, undefined]);
    expect(stage.core.db.state.counters.rowsRefused).toBe(2);
  });

  test('F21 a bulk sync of a hundred thousand rows: no slice of it takes 100 ms of processor time', () => {
    const stage = attached(1);
    const events = Array.from({ length: 100_000 }, (_, i) => tableEvent(1, { key: `row${i}` }));
    const message = bulkSync(1, events);
    const busyMs = () => {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    };
    const slices: number[] = [];
    const measured = (run: () => void) => {
      const beforeMs = busyMs();
      run();
      slices.push(busyMs() - beforeMs);
    };
    measured(() => stage.request(message));
    while (stage.core.db.bulk.load.backlogBytes > 0) measured(() => stage.input({ kind: 'tick' }));
    expect(stage.core.db.state.rows.size).toBe(100_000);
    expect(slices.length).toBeGreaterThan(100);
    expect(Math.max(...slices)).toBeLessThan(100);
  });

  test('F21 beyond a million rows new ones are refused, which is told once; rows that are there still change', () => {
    const stage = attached(1);
    stage.user(1, tableEvent(1, { key: 'old' }));
    const { rows } = stage.core.db.state;
    // As if they were there: to put them there takes a minute.
    const size = vi.spyOn(rows, 'size', 'get').mockReturnValue(1_000_000);
    for (let i = 0; i < 5; i++) stage.user(1, tableEvent(1, { key: `new${i}` }));
    stage.user(1, tableEvent(1, { key: 'old', time: 9n, value: 'changed' }));
    size.mockRestore();
    expect([rows.size, stage.row('old')?.value]).toEqual([1, 'changed']);
    expect(stage.core.db.state.counters.rowsRefused).toBe(5);
    const dropped = stage.facts.filter((fact) => fact.kind === 'dropped');
    expect(dropped).toEqual([{ kind: 'dropped', what: 'row', reason: 'already 1000000 rows' }]);
    stage.user(1, tableEvent(1, { key: 'new' }));
    expect(stage.row('new')?.value).toBe('v');
  });

  test('more bulk syncs than may wait are dropped, which is told, and what waited is applied', () => {
    const stage = attached(1);
    const events = Array.from({ length: 1200 }, (_, i) => tableEvent(1, { key: `row${i}`, value: 'v'.repeat(30_000) }));
    const message = bulkSync(1, events);
    for (let copy = 0; copy < 4; copy++) stage.request(message);
    const { load } = stage.core.db.bulk;
    expect(load.backlogBytes).toBeGreaterThan(message.length / 2);
    expect(load.backlogBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect(stage.facts.filter((fact) => fact.kind === 'dropped')).toMatchObject(
      new Array(3).fill({ what: 'bulk sync', reason: 'too many rows waiting to be applied' }),
    );
    stage.request(bulkSync(1, [tableEvent(1, { key: 'last part' })]));
    for (let turn = 0; turn < 100 && stage.core.db.bulk.load.backlogBytes > 0; turn++) stage.input({ kind: 'tick' });
    expect([stage.core.db.bulk.load.backlogBytes, stage.core.db.state.rows.size]).toEqual([0, 1201]);
    // What was dropped may be rows of it that nobody has told us of.
    const heard = () => stage.core.db.state.own.get(NET)?.heard;
    expect(heard()).toBe(false);
    stage.request(bulkSync(1, [tableEvent(1, { key: 'all there is' })]));
    expect(heard()).toBe(true);
  });
});

/** Keys of which every byte is 1, 2 and 3; the second is the primary. */
function threeKeys(): Keyring {
  const keys = [1, 2, 3].map((n) => ({
    subsystem: GOSSIP_SUBSYSTEM,
    key: Buffer.alloc(16, n),
    lamportTime: BigInt(n),
  }));
  const set = keySetOf(keys, GOSSIP_SUBSYSTEM);
  if (set === undefined) throw new Error('no keys');
  return keyringOf(set);
}
