import { describe, expect, test } from 'vitest';
import { aliveOf, attached, joinNetwork, NET, peerOf, roster, SELF, Stage, tableEvent } from '../core-testkit.ts';
import { encodeEnvelope, encodeNodeEvent } from '../wire/networkdb-encode.ts';

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
