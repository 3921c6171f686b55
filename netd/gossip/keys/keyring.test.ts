import { describe, expect, test } from 'vitest';
import { GOLDEN_WORLD, golden } from '../wire/golden-vectors.ts';
import { openPacket, sealPacket } from '../wire/packet.ts';
import { GOSSIP_SUBSYSTEM, IPSEC_SUBSYSTEM, keyringOf, keySetOf, type ManagerKey } from './keyring.ts';

const { nonce } = GOLDEN_WORLD;

function key(tag: number, subsystem = GOSSIP_SUBSYSTEM, bytes = 16): ManagerKey {
  return { subsystem, key: Buffer.alloc(bytes, tag), lamportTime: BigInt(tag) };
}

function ring(...tags: number[]) {
  const set = keySetOf(
    tags.map((tag) => key(tag)),
    GOSSIP_SUBSYSTEM,
  );
  if (set === undefined) throw new Error('no keys');
  return keyringOf(set);
}

describe('S18 keys', () => {
  test('S18 the middle one encrypts, whatever order they come in', () => {
    for (const order of [
      [1, 2, 3],
      [3, 1, 2],
      [2, 3, 1],
    ]) {
      expect(ring(...order).tags).toEqual([2n, 1n, 3n]);
      expect(ring(...order).primary).toEqual(Buffer.alloc(16, 2));
    }
  });

  test('S18 nodes one rotation apart understand each other, two apart do not', () => {
    const seal = (from: number) => sealPacket(golden('G06'), false, ring(from, from + 1, from + 2).primary, nonce);
    const opens = (at: number, packet: Buffer) => {
      try {
        return openPacket(packet, ring(at, at + 1, at + 2).all).equals(golden('G06'));
      } catch {
        return false;
      }
    };
    for (let at = 1; at <= 4; at++) {
      for (let from = 1; from <= 4; from++) expect(opens(at, seal(from))).toBe(Math.abs(at - from) <= 1);
    }
  });

  test('a list that is not three keys of known kinds is refused as a whole', () => {
    const good = [1, 2, 3].map((tag) => key(tag));
    expect(
      keySetOf([...good, key(4, IPSEC_SUBSYSTEM), key(5, IPSEC_SUBSYSTEM), key(6, IPSEC_SUBSYSTEM)], IPSEC_SUBSYSTEM),
    ).toMatchObject({
      primary: { lamportTime: 5n },
    });
    expect(keySetOf(good, IPSEC_SUBSYSTEM)).toBeUndefined();
    expect(() => keySetOf(good.slice(1), GOSSIP_SUBSYSTEM)).toThrow(/2 keys/);
    expect(() => keySetOf([...good, key(4)], GOSSIP_SUBSYSTEM)).toThrow(/4 keys/);
    expect(() => keySetOf([...good, key(4, 'networking:other')], GOSSIP_SUBSYSTEM)).toThrow(/unknown subsystem/);
    expect(() => keySetOf([...good, key(4, GOSSIP_SUBSYSTEM, 15)], GOSSIP_SUBSYSTEM)).toThrow(/15 bytes/);
  });
});
