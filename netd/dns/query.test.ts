import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameBytes, request } from '#test/dns/packet.ts';
import { RCODE, TYPE } from './codes.ts';
import { parseQuery } from './query.ts';

const parse = (packet: Buffer) => parseQuery(packet, 0, packet.length);
const FORMERR = { kind: 'refused', rcode: RCODE.FORMERR };
const IGNORED = { kind: 'ignored' };

/** A packet with some of its bytes replaced. */
function changed(packet: Buffer, at: number, ...bytes: number[]): Buffer {
  const copy = Buffer.from(packet);
  copy.set(bytes, at);
  return copy;
}

describe('a question', () => {
  it.each<[string, string, string]>([
    ['web', 'web', 'web'],
    ['Tasks.WEB.plain', 'Tasks.WEB.plain', 'tasks.web.plain'],
    ['with_under-score.1', 'with_under-score.1', 'with_under-score.1'],
    ['', '', ''],
    ['a b', 'a\\ b', 'a\\ b'],
    ['käse', 'k\\195\\164se', 'k\\195\\164se'],
    ['"quoted";', '\\"quoted\\"\\;', '\\"quoted\\"\\;'],
    ['\u0000\u007f', '\\000\\127', '\\000\\127'],
    ['__proto__', '__proto__', '__proto__'],
    ['x'.repeat(63), 'x'.repeat(63), 'x'.repeat(63)],
  ])('for %j is read', (name, text, key) => {
    const packet = request(name, { type: TYPE.AAAA });
    expect(parse(packet)).toEqual({
      kind: 'query',
      name: text,
      key,
      type: TYPE.AAAA,
      questionEnd: packet.length,
      udpBytes: 512,
    });
  });

  it('with a dot within a label is none for the name that looks the same', () => {
    const packet = request('aXb');
    const dotted = changed(packet, 14, '.'.charCodeAt(0));
    expect(parse(dotted)).toMatchObject({ name: 'a\\.b' });
  });

  it('may have 255 bytes, and not one more', () => {
    const name = [63, 63, 63, 61].map((length) => 'x'.repeat(length)).join('.');
    expect(nameBytes(name)).toHaveLength(255);
    expect(parse(request(name))).toMatchObject({ kind: 'query', name });
    expect(parse(request(`${name}y`))).toEqual(FORMERR);
    expect(parse(request(Array(128).fill('x').join('.')))).toEqual(FORMERR);
  });

  it.each<[string, number | undefined, number]>([
    ['no OPT record', undefined, 512],
    ['a size below the least', 100, 512],
    ['a size of 0', 0, 512],
    ['1232', 1232, 1232],
    ['4096', 4096, 4096],
    ['the most', 65_535, 65_535],
  ])('says with %s how long a UDP reply may be', (_, udpBytes, expected) => {
    const options = udpBytes === undefined ? {} : { udpBytes };
    expect(parse(request('web', options))).toMatchObject({ udpBytes: expected });
  });

  it('is found within a larger buffer', () => {
    const packet = request('web', { udpBytes: 1400 });
    const within = Buffer.concat([Buffer.alloc(100, 0xff), packet, Buffer.alloc(100, 0xff)]);
    expect(parseQuery(within, 100, 100 + packet.length)).toMatchObject({
      name: 'web',
      udpBytes: 1400,
      questionEnd: 100 + request('web').length,
    });
  });
});

describe('what is no question', () => {
  const good = request('web', { udpBytes: 1232 });
  it.each<[string, Buffer, object]>([
    ['nothing', Buffer.alloc(0), IGNORED],
    ['11 bytes', good.subarray(0, 11), IGNORED],
    ['a reply', changed(good, 2, 0x81), IGNORED],
    ['a broken reply', changed(good, 2, 0xff, 0xff, 0xff), IGNORED],
    ['opcode STATUS', changed(good, 2, 2 << 3), { kind: 'refused', rcode: RCODE.NOTIMP }],
    ['opcode UPDATE', changed(good, 2, 5 << 3), { kind: 'refused', rcode: RCODE.NOTIMP }],
    ['no question', changed(good, 4, 0, 0), FORMERR],
    ['two questions', changed(good, 4, 0, 2), FORMERR],
    ['65,535 questions', changed(good, 4, 0xff, 0xff), FORMERR],
    ['two answers', changed(good, 6, 0, 2), FORMERR],
    ['two authorities', changed(good, 8, 0, 2), FORMERR],
    ['three additional records', changed(good, 10, 0, 3), FORMERR],
    ['12 bytes', good.subarray(0, 12), FORMERR],
    ['a name without end', good.subarray(0, 15), FORMERR],
    ['no type', good.subarray(0, 17), FORMERR],
    ['half a type', good.subarray(0, 18), FORMERR],
    ['no class', good.subarray(0, 19), FORMERR],
    ['a label longer than the packet', changed(good, 12, 63), FORMERR],
    ['a pointer to itself', changed(good, 12, 0xc0, 12), FORMERR],
    ['a pointer forward', changed(good, 12, 0xc0, 20), FORMERR],
    ['a label of type 0x40', changed(good, 12, 0x43), FORMERR],
    ['a label of type 0x80', changed(good, 12, 0x83), FORMERR],
    ['a cut OPT record', good.subarray(0, good.length - 1), FORMERR],
    ['an OPT record with data beyond the end', changed(good, good.length - 1, 1), FORMERR],
    ['an additional record with an endless name', changed(good, good.length - 11, 63), FORMERR],
    ['an additional record with half a pointer', Buffer.concat([good.subarray(0, 21), Buffer.of(0xc0)]), FORMERR],
  ])('%s', (_, packet, expected) => {
    expect(parse(packet)).toEqual(expected);
  });

  it('a record that is counted and missing altogether is overlooked', () => {
    expect(parse(good.subarray(0, 21))).toMatchObject({ kind: 'query', name: 'web' });
  });
});

describe('any bytes', () => {
  it('are read without an error, and never beyond their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const packet = Buffer.from(bytes);
        const alone = parse(packet);
        const followed = Buffer.concat([packet, Buffer.alloc(300, 0x01)]);
        expect(parseQuery(followed, 0, packet.length)).toEqual(alone);
      }),
      { numRuns: 300 },
    );
  });

  it('that are a question cut or changed in one place are read too', () => {
    const base = request('tasks.web.plain', { udpBytes: 4096 });
    fc.assert(
      fc.property(fc.nat(base.length - 1), fc.nat(255), fc.nat(base.length), (at, byte, length) => {
        const parsed = parse(changed(base, at, byte).subarray(0, length));
        if (parsed.kind === 'query') expect(parsed.questionEnd).toBeLessThanOrEqual(length);
        if (length < 12) expect(parsed).toEqual(IGNORED);
      }),
      { numRuns: 500 },
    );
  });
});
