import assert from 'node:assert/strict';
import { MsgpackReader } from '#netd/gossip/wire/msgpack-read.ts';
import {
  decodeBulkSync,
  decodeEnvelope,
  decodeTableEvent,
  eachInCompound,
} from '#netd/gossip/wire/networkdb-decode.ts';
import { eachMessage } from '#netd/gossip/wire/packet.ts';
import { decodePushPull } from '#netd/gossip/wire/push-pull.ts';
import { decodeSwim } from '#netd/gossip/wire/swim-decode.ts';
import { SwimFields } from '#netd/gossip/wire/swim-fields.ts';
import { MESSAGE_TYPE } from '#netd/gossip/wire/swim-message.ts';
import { decodeUserStream } from '#netd/gossip/wire/user-stream.ts';

/**
 * What must never leave us, because it kills a real daemon or makes it act wrongly (the CRASH notes of spec gossip):
 * asserted on everything the simulation and the fuzzer make a node emit.
 */

/** The reference reads datagrams into 64 KiB; beyond this it would be truncated. */
const MAX_DATAGRAM = 65_507;

/** @param self the sender: what it merely passes on stays as it came, what it says itself must be right */
export function assertHarmlessPacket(message: Buffer, self: string): void {
  assert(message.length > 0 && message.length <= MAX_DATAGRAM, `datagram of ${message.length} bytes`);
  let parts = 0;
  eachMessage(
    message,
    (part) => {
      parts++;
      assertHarmlessMessage(part, self);
    },
    (error) => assert.fail(`we sent a packet nobody can read: ${error.message}`),
  );
  assert(parts > 0, 'packet without a message');
}

export function assertHarmlessStream(message: Buffer, self: string): void {
  assert(message.length > 0, 'empty stream message crashes its receiver');
  switch (message[0]) {
    case MESSAGE_TYPE.ping:
    case MESSAGE_TYPE.ack:
      assertHarmlessMessage(message, self);
      return;
    case MESSAGE_TYPE.err:
      return;
    case MESSAGE_TYPE.user:
      assertHarmlessEnvelope(decodeUserStream(message), true, self);
      return;
    case MESSAGE_TYPE.pushPull: {
      const state = decodePushPull(message);
      const header = new SwimFields(new MsgpackReader(message, 1));
      // The decoder leaves out entries with short versions: none may be missing. A peer trusts both numbers.
      assert.equal(state.nodes.length, header.Nodes);
      assert.equal(state.userState.length, header.UserStateLen);
      for (const node of state.nodes) assert.equal(node.versions.length, 6);
      assert(state.userState.length > 0, 'push/pull without user state');
      assertHarmlessEnvelope(state.userState, true, self);
      return;
    }
    default:
      assert.fail(`stream message of type ${message[0]}`);
  }
}

function assertHarmlessMessage(message: Buffer, self: string): void {
  if (message[0] === MESSAGE_TYPE.user) {
    assertHarmlessEnvelope(message.subarray(1), false, self);
    return;
  }
  const decoded = decodeSwim(message);
  assert(decoded !== undefined, `packet message of type ${message[0]}`);
  if (decoded.kind === 'alive')
    assert.equal(decoded.versions.length, 6, 'versions of another length crash the receiver');
}

function assertHarmlessEnvelope(bytes: Buffer, stream: boolean, self: string): void {
  assert(bytes.length > 0, 'empty user message');
  const { kind, data } = decodeEnvelope(bytes);
  if (kind === 'compound') for (const part of eachInCompound(data)) assertHarmlessEnvelope(part, stream, self);
  else if (kind === 'bulkSync') {
    assert(stream, 'bulk sync in a datagram');
    const { payload, networks } = decodeBulkSync(data);
    assert(!networks.includes(''), 'bulk sync naming an empty network');
    assertHarmlessEnvelope(payload, stream, self);
  } else if (kind === 'tableEvent') {
    const event = decodeTableEvent(data);
    if (event.owner !== self) return;
    if (event.type === 'delete') assert(event.residualSec > 0, 'tombstone without a residual');
    // Class A peers take an update of this table for a delete.
    if (event.table === 'overlay_peer_table') assert.notEqual(event.type, 'update');
  }
}
