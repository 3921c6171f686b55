import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EngineEvent, parseEvent, parseEvents } from './events.ts';

const line = (action: string, id: string, attributes?: object) =>
  JSON.stringify({
    status: action,
    Type: 'container',
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    time: 1,
  });

const collect = async (chunks: readonly Buffer[]): Promise<EngineEvent[]> => {
  const events: EngineEvent[] = [];
  for await (const event of parseEvents(Readable.from(chunks, { objectMode: false }))) events.push(event);
  return events;
};

describe('parseEvents', () => {
  it('reads the same events whatever the chunks', async () => {
    const event = fc.record({
      action: fc.constantFrom('start', 'die', 'health_status: healthy'),
      subjectId: fc.string({ minLength: 1 }),
      attributes: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 8 }), fc.array(fc.nat(2000)), async (events, cuts) => {
        const text = events.map(({ action, subjectId, attributes }) => `${line(action, subjectId, attributes)}\n`);
        const bytes = Buffer.from(text.join(''));
        const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
        expect(await collect(chunks)).toEqual(events.map((one) => ({ ...one, attributes: { ...one.attributes } })));
      }),
      { numRuns: 200 },
    );
  });

  it('passes over lines that are no events, and one that has no end', async () => {
    const text = `{}\n\nnonsense\n"start"\n5\nnull\n${line('die', 'c1')}\n{"Action":"start"}\n${line('start', 'c2')}`;
    expect((await collect([Buffer.from(text)])).map(({ subjectId }) => subjectId)).toEqual(['c1']);
  });

  it('does not fill the memory with one that never ends', async () => {
    const chunks = Array.from({ length: 6 }, () => Buffer.alloc(1024 * 1024, 'x'));
    await expect(collect(chunks)).rejects.toThrow('longer than');
  });
});

describe('parseEvent', () => {
  it.each<[string, string, EngineEvent | undefined]>([
    ['an event', line('die', 'c', { exitCode: '3' }), { action: 'die', subjectId: 'c', attributes: { exitCode: '3' } }],
    ['no attributes', line('die', 'c'), { action: 'die', subjectId: 'c', attributes: {} }],
    [
      'attributes of null',
      '{"Action":"die","Actor":{"ID":"c","Attributes":null}}',
      { action: 'die', subjectId: 'c', attributes: {} },
    ],
    ['no actor', '{"Action":"die"}', undefined],
    ['an actor of null', '{"Action":"die","Actor":null}', undefined],
    ['an actor that is none', '{"Action":"die","Actor":7}', undefined],
    ['an action that is none', '{"Action":7,"Actor":{"ID":"c"}}', undefined],
    ['a list', '[]', undefined],
  ])('reads %s', (_, text, event) => {
    expect(parseEvent(text)).toEqual(event);
  });
});
