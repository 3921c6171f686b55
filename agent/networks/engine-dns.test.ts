import { expect, it } from 'vitest';
import { parseEngineDns } from './engine-dns.ts';

it.each([
  [
    '{"dns":["192.0.2.53","192.0.2.54"],"dns-opts":["ndots:2"],"live-restore":true}',
    ['192.0.2.53', '192.0.2.54'],
    ['ndots:2'],
  ],
  ['{"dns":["192.0.2.53"]}', ['192.0.2.53'], []],
  ['{"dns":null}', [], []],
  ['{"dns":"192.0.2.53","dns-opts":["ndots:2"]}', [], ['ndots:2']],
  ['{}', [], []],
  ['[]', [], []],
  ['', [], []],
  ['{"dns":', [], []],
])('are read from the settings of the engine: %s', (text, servers, options) => {
  expect(parseEngineDns(text)).toEqual({ servers, options });
});
