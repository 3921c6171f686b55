import assert from 'node:assert/strict';
import { describe, expect, test } from 'vitest';
import {
  aliveOf,
  attached,
  entryOf,
  joinNetwork,
  NET,
  peerOf,
  pushPull,
  roster,
  SELF,
  Stage,
  tableEvent,
} from '../core-testkit.ts';
import { decodeEnvelope, decodeNetworkPushPull, decodeNodeEvent } from '../wire/networkdb-decode.ts';
import { encodeEnvelope, encodeNodeEvent } from '../wire/networkdb-encode.ts';
import { decodePushPull } from '../wire/push-pull.ts';

describe('node events', () => {
  test('F19 a LEAVE in our name is ignored', () => {
    const stage = attached(1);
    stage.user(1, encodeEnvelope('nodeEvent', encodeNodeEvent({ type: 'leave', time: 99n, node: SELF.name })));
    expect(roster(stage)).toContain(SELF.name);
  });

  test('a name at our own address is ourselves before a restart: nothing of it is kept', () => {
    const stage = attached(1);
    stage.packet(1, { ...aliveOf(9), ...SELF.address });
    stage.user(1, joinNetwork(9, NET, 3n));
    stage.user(1, tableEvent(9));
    expect(stage.memberState(9)).toBe('alive');
    expect(roster(stage)).not.toContain(peerOf(9).name);
    expect(stage.row('k')).toBeUndefined();
    stage.packet(1, { kind: 'dead', node: peerOf(9).name, incarnation: 1, from: peerOf(1).name });
    expect(stage.core.db.state.peers.has(peerOf(9).name)).toBe(false);
    expect(stage.core.db.state.activePeers).toBe(2);
  });

  test('a LEAVE makes a node left, takes its rows along, and is passed on', () => {
    const stage = attached(3);
    stage.user(1, tableEvent(1));
    const sinceMs = stage.nowMs;
    const leave = encodeEnvelope('nodeEvent', encodeNodeEvent({ type: 'leave', time: 99n, node: peerOf(1).name }));
    stage.user(2, leave);
    expect(stage.core.db.state.peers.get(peerOf(1).name)?.status).toBe('left');
    expect(stage.row('k')).toBeUndefined();
    // Nobody took it back: whoever programs a kernel may wish to wait.
    expect(stage.changes.at(-1)).toMatchObject({ before: { key: 'k' }, after: undefined, isLost: true });
    stage.run(2000);
    expect(stage.envelopes(sinceMs).filter(({ bytes }) => bytes.equals(leave))).toHaveLength(4);
  });

  test('S20 a peer that told its state between saying LEAVE and going has left: its state bears the time of its LEAVE', () => {
    const stage = attached(2);
    const { name } = peerOf(1);
    stage.request(pushPull(1, [entryOf(1)], [], { time: 99n }));
    stage.user(1, encodeEnvelope('nodeEvent', encodeNodeEvent({ type: 'leave', time: 98n, node: name })));
    expect(stage.core.db.state.peers.get(name)?.status).toBe('active');
    stage.user(1, encodeEnvelope('nodeEvent', encodeNodeEvent({ type: 'leave', time: 99n, node: name })));
    expect(stage.core.db.state.peers.get(name)?.status).toBe('left');
  });

  test.each([
    ['itself', 'left', 1],
    ['others', 'failed', 2],
  ] as const)('a peer whose LEAVE event nobody heard, dead by the word of %s, has %s', (_, status, from) => {
    const stage = attached(2);
    const { name } = peerOf(1);
    stage.packet(2, { kind: 'dead', node: name, incarnation: 1, from: peerOf(from).name });
    expect(stage.core.db.state.peers.get(name)?.status).toBe(status);
  });

  test('S20 once we have said LEAVE, nothing we say makes it seem old: no push/pull, no JOIN of ours', () => {
    const stage = attached(2);
    const sinceMs = stage.nowMs;
    stage.streams.length = 0;
    stage.input({ kind: 'leave' });
    // Others go on meanwhile.
    stage.user(2, joinNetwork(2, 'another', 500n));
    const reply = stage.request(pushPull(1, [entryOf(1)], [], { join: true }));
    stage.play = () => pushPull(2, [entryOf(2)]);
    stage.input({ kind: 'join', addresses: [peerOf(2).address] });
    stage.run(2000);
    const events = stage
      .envelopes(sinceMs)
      .flatMap(({ envelope }) => (envelope.kind === 'nodeEvent' ? [decodeNodeEvent(envelope.data)] : []))
      .filter(({ node }) => node === SELF.name);
    const leave = events.find(({ type }) => type === 'leave');
    assert(leave && reply);
    const told = [reply, ...stage.streams.map(({ message }) => message)].filter((message) => message[0] === 6);
    const times = told.map(
      (state) => decodeNetworkPushPull(decodeEnvelope(decodePushPull(state).userState).data, () => {}).time,
    );
    expect(times.length).toBeGreaterThanOrEqual(2);
    for (const time of times) expect(time).toBeLessThan(leave.time);
    expect(events.filter(({ type, time }) => type === 'join' && time >= leave.time)).toEqual([]);
  });

  test('S19 a restarted peer: its old name and rows go at once, its new name is there', () => {
    const stage = attached(2);
    stage.user(1, tableEvent(1));
    stage.packet(1, aliveOf(1, { node: 'fffffffffff1' }));
    expect(stage.core.db.state.peers.get(peerOf(1).name)?.status).toBe('left');
    expect(stage.core.db.state.peers.get('fffffffffff1')?.status).toBe('active');
    expect(stage.row('k')).toBeUndefined();
    expect(roster(stage)).toEqual([SELF.name, peerOf(2).name].sort());
  });

  test('late news of a predecessor does not bury its successor for good', () => {
    const stage = new Stage();
    stage.play = () => 'hang';
    stage.packet(1, aliveOf(1, { node: 'fffffffffff1' }));
    stage.packet(2, aliveOf(1));
    expect(stage.core.db.state.peers.get('fffffffffff1')?.status).toBe('left');
    stage.packet(2, { kind: 'dead', node: peerOf(1).name, incarnation: 1, from: peerOf(2).name });
    expect(stage.core.db.state.peers.get('fffffffffff1')?.status).toBe('active');
    stage.run(1500);
    expect(stage.streams.some(({ message }) => message[0] === 6)).toBe(true);
  });
});
