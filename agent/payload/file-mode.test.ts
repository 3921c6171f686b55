import { expect, it } from 'vitest';
import { unixMode } from './file-mode.ts';

it.each([
  [0, 0],
  [0o444, 0o444],
  [0o777, 0o777],
  [0o4755, 0o755], // what the command line sends for 4755: Go keeps setuid elsewhere, so it is lost there too
  [0x0080_0000 | 0o755, 0o4755],
  [0x0040_0000 | 0o755, 0o2755],
  [0x0010_0000 | 0o755, 0o1755],
  [0x8000_0000 | 0o600, 0o600],
])('%o of Go is %o for chmod', (goMode, expected) => {
  expect(unixMode(goMode >>> 0)).toBe(expected);
});
