import { expect, test } from 'vitest';
import { nonceSource } from './nonces.ts';

test('no nonce comes twice, and one that is held does not change', () => {
  const nonce = nonceSource();
  const held = Array.from({ length: 1000 }, nonce);
  expect(new Set(held.map((one) => one.toString('hex'))).size).toBe(1000);
  expect(held.every((one) => one.length === 12)).toBe(true);
});
