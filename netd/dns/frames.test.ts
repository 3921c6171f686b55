import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, frame } from './frames.ts';

describe('messages in a stream', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }),
        fc.array(fc.integer({ min: 1, max: 20 })),
        (messages, cuts) => {
          let stream = Buffer.concat(messages.map((message) => frame(Buffer.from(message))));
          const reader = new FrameReader();
          const read: Buffer[] = [];
          for (const cut of cuts) {
            read.push(...reader.push(stream.subarray(0, cut)));
            stream = stream.subarray(cut);
          }
          read.push(...reader.push(stream));
          expect(read.map((message) => [...message])).toEqual(messages.map((message) => [...message]));
        },
      ),
    );
  });

  it('may have 65,535 bytes, and no more', () => {
    expect(frame(Buffer.alloc(65_535))).toHaveLength(65_537);
    expect(() => frame(Buffer.alloc(65_536))).toThrow(RangeError);
  });
});
