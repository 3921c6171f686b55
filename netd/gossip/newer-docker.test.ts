import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import {
  attached,
  bulkOf,
  bulkSync,
  entryOf,
  NET,
  networkEvent,
  peerOf,
  pushPull,
  roster,
  tableEvent,
} from './core-testkit.ts';
import { decodeBulkSync } from './wire/networkdb-decode.ts';
import { decodePushPull } from './wire/push-pull.ts';

// What a node of Docker 29 does differently (spec gossip §19); it is played, since no package of it is to be had.

const MINUTES = 30;
const MINUTE_MS = 60_000;

test('N18 a node that joins again every minute, with int16 counts in its headers, is a peer like any other', () => {
  const stage = attached(3);
  stage.user(1, tableEvent(1));
  stage.publish('mine', 'x');
  stage.run(MINUTE_MS);
  const members = roster(stage);
  const quiet = stage.sent.length;
  stage.run(MINUTE_MS);
  const usual = stage.sent.length - quiet;

  const nodes = [1, 2, 3].map((index) => entryOf(index));
  const networks = [NET, ...'abcdef'].map((end) => NET.slice(0, -1) + end.slice(-1)); // enough for a count above 127
  for (let minute = 1; minute <= MINUTES; minute++) {
    const attachments = networks.map((network) => ({ network, node: peerOf(1).name, time: 1n, leaving: false }));
    const state = withInt16Counts(pushPull(1, nodes, attachments, { join: true }));
    const before = stage.sent.length;
    const reply = stage.request(state);
    assert(reply, 'a join is answered');
    expect(decodePushPull(reply).nodes.map(({ name }) => name)).toEqual(
      expect.arrayContaining([1, 2, 3].map((index) => peerOf(index).name)),
    );
    stage.user(1, networkEvent('join', 1, NET, BigInt(minute + 1)));
    stage.run(MINUTE_MS);
    expect(stage.sent.length - before, 'packets in this minute').toBeLessThan(2 * usual);
  }

  expect(roster(stage)).toEqual(members);
  expect(stage.row('k')).toMatchObject({ value: 'v', deleted: false });
  expect(stage.row('mine')).toMatchObject({ value: 'x', deleted: false });
  expect(stage.memberState(1)).toBe('alive');
});

test('N18 every bulk sync we send is newer than what it answers and than the one before', () => {
  const stage = attached(1);
  stage.play = () => undefined;
  const times = [900n, 900n, 5n].map((time) => {
    stage.streams.length = 0;
    stage.request(bulkSync(1, [], { unsolicited: true, time }));
    stage.run(1000);
    const answers = stage.streams
      .flatMap((stream) => bulkOf(stream)?.data ?? [])
      .map(decodeBulkSync)
      .filter(({ unsolicited }) => !unsolicited);
    expect(answers).toHaveLength(1);
    return answers[0]?.time ?? 0n;
  });
  expect(times[0]).toBeGreaterThan(900n);
  expect(times[1]).toBeGreaterThan(times[0] ?? 0n);
  expect(times[2]).toBeGreaterThan(times[1] ?? 0n);
});

/** The same push/pull as an encoder writes it that knows signed numbers only: d1 and two bytes for 128 to 32767. */
function withInt16Counts(message: Buffer): Buffer {
  const key = Buffer.from('UserStateLen');
  const at = message.indexOf(key) + key.length;
  const code = message[at];
  assert(code === 0xcc || code === 0xcd, `a count of one or two bytes, not ${code?.toString(16)}`);
  const size = code === 0xcc ? 1 : 2;
  const count = Buffer.from([0xd1, 0, 0]);
  count.writeUInt16BE(message.readUIntBE(at + 1, size), 1);
  return Buffer.concat([message.subarray(0, at), count, message.subarray(at + 1 + size)]);
}
