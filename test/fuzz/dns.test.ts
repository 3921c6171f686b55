import { expect, it } from 'vitest';
import { fuzzDns } from './dns.ts';

it.each([1, 2, 3])('the resolver takes any bytes, seed %i', (seed) => {
  const INPUTS = 20_000;
  expect(fuzzDns(seed, (inputs) => inputs >= INPUTS)).toBe(INPUTS);
});
