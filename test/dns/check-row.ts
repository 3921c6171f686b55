import { expect } from 'vitest';
import { TYPE } from '#netd/dns/codes.ts';
import { ask } from './ask.ts';
import type { WorldAddresses } from './docker-world.ts';
import { request } from './packet.ts';
import { type Expected, fill, type QueryRow, REPLY } from './query-table.ts';
import { seen } from './seen.ts';

/** No reply comes within this time, in milliseconds; replies take a few. */
const SILENCE_MS = 700;
const REPLY_MS = 10_000;

/** Asks the question of a row and compares section, code, records, TTL and flags of the reply. */
export async function checkRow(
  row: QueryRow,
  expected: Expected | 'no reply',
  namespaces: { readonly client: string; readonly ndotsClient: string },
  addresses: WorldAddresses,
): Promise<void> {
  const [name = ''] = fill(row.name, addresses);
  const packet = request(name, { ...row.options, type: TYPE[row.type] });
  const reply = await ask(row.from === 'ndots' ? namespaces.ndotsClient : namespaces.client, packet, {
    transport: row.transport ?? 'udp',
    timeoutMs: expected === 'no reply' ? SILENCE_MS : REPLY_MS,
  });
  const told = seen(reply);
  if (expected === 'no reply' || told === 'no reply') {
    expect(told).toEqual(expected);
    return;
  }
  expect({ rcode: told.rcode, flags: told.flags, authorities: told.authorities }).toEqual({
    rcode: expected.rcode,
    flags: expected.flags ?? REPLY,
    authorities: 0,
  });
  const all = (expected.answers ?? [])
    .flatMap((answer) => fill(answer, addresses))
    .map((answer) => withOwner(name, answer));
  if (expected.some === undefined) expect(told.answers).toEqual(all.sort());
  else {
    expect(told.answers.length).toBeGreaterThanOrEqual(expected.some);
    expect(new Set(told.answers).size).toBe(told.answers.length);
    expect(all).toEqual(expect.arrayContaining([...told.answers]));
  }
  expect(told.ttls).toEqual(expected.ttl === undefined ? [] : [expected.ttl]);
  // Header and question come back as they were sent.
  if (reply !== undefined && told.rcode !== 'FORMERR' && told.rcode !== 'NOTIMP') {
    const questionEnd = request(name, {}).length;
    expect(reply.readUInt16BE(0)).toBe(packet.readUInt16BE(0));
    expect(reply.subarray(12, questionEnd).toString('hex')).toBe(packet.subarray(12, questionEnd).toString('hex'));
  }
}

function withOwner(name: string, answer: string): string {
  return /^(A|AAAA|PTR|TXT|CNAME) /.test(answer) ? `${name} ${answer}` : answer;
}
