import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesToBase36, newSwarmId } from './ids.ts';

describe('ids', () => {
  it.each([
    [[], '0'],
    [[0, 0], '0'],
    [[35], 'z'],
    [[36], '10'],
    [[0, 1, 0], '74'],
    [Array(16).fill(255), 'f5lxx1zz5pnorynqglhzmsp33'],
  ])('writes %j as %s', (bytes, text) => {
    expect(bytesToBase36(Uint8Array.from(bytes))).toBe(text);
  });

  it('are 25 characters whatever the bytes, and different for different ones', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const id = newSwarmId(bytes);
        expect(id).toMatch(/^[0-9a-z]{25}$/);
        let value = 0n;
        for (const digit of id) value = value * 36n + BigInt(Number.parseInt(digit, 36));
        expect(value).toBe(BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
      }),
    );
    expect(newSwarmId()).not.toBe(newSwarmId());
  });
});
