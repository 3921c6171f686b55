import { describe, expect, test } from 'vitest';
import { seededRandom, uniformInt } from '#base/random.ts';
import { atOnce } from './at-once.ts';
import { compress, decompress } from './compress.ts';
import { crc32 } from './crc32.ts';
import { DecodeError } from './decode-error.ts';
import { frameLength, MAX_FRAME_BYTES, openFrame, sealFrame } from './frame.ts';
import { GOLDEN_WORLD, golden } from './golden-vectors.ts';
import { lzwDecode, lzwDecodeSteps } from './lzw-decode.ts';
import { lzwEncode } from './lzw-encode.ts';
import { eachMessage, openPacket, sealPacket, withCrc, withoutCrc } from './packet.ts';
import { NoKeyError, open, seal } from './seal.ts';
import { encodeUserPacket } from './user-stream.ts';

const { key, nonce } = GOLDEN_WORLD;
const LIMIT = 1024 * 1024;
const wrongKey = Buffer.alloc(16, 0x77);

function messagesOf(packet: Buffer): { messages: Buffer[]; refused: DecodeError[] } {
  const messages: Buffer[] = [];
  const refused: DecodeError[] = [];
  eachMessage(
    packet,
    (message) => messages.push(message),
    (error) => refused.push(error),
  );
  return { messages, refused };
}

describe('C05 LZW', () => {
  test.each([
    ['', '000302'],
    ['a', '00c30404'],
    ['a'.repeat(16), '00c3081c48b0609880'],
    ['AB'.repeat(10), '008308114870a0c182050302'],
  ])('C05 G24 %j', (text, hex) => {
    expect(lzwEncode(Buffer.from(text)).toString('hex')).toBe(hex);
    expect(lzwDecode(Buffer.from(hex, 'hex'), LIMIT).toString()).toBe(text);
  });

  test('C05 G25 long input with table resets', () => {
    let x = 1;
    const input = Buffer.from(
      Array.from({ length: 20_000 }, () => {
        x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
        return (x >>> 24) & 15;
      }),
    );
    const packed = lzwEncode(input);
    expect(crc32(input).toString(16)).toBe('3bd0ff71');
    expect(packed.length).toBe(12644);
    expect(crc32(packed).toString(16)).toBe('f1811e0d');
    expect(lzwDecode(packed, LIMIT)).toEqual(input);
  });

  test('C05 200 random buffers come back', () => {
    const seed = 20_26;
    const random = seededRandom(seed);
    for (let round = 0; round < 200; round++) {
      const kind = round % 3;
      const input = Buffer.alloc(uniformInt(random, 0, round % 10 === 0 ? 70_001 : 6000));
      for (let i = 0; i < input.length; i++) {
        input[i] =
          kind === 0 ? 0x41 : kind === 1 ? random() * 256 : 'the quick brown fox '.charCodeAt(i % 20) + (i % 7);
      }
      const packed = lzwEncode(input);
      expect(lzwDecode(packed, input.length).equals(input), `seed ${seed} round ${round}`).toBe(true);
    }
  });

  test('what one message leaves in the table is in no later one, damaged or not', () => {
    const seed = 7;
    const random = seededRandom(seed);
    const outcome = (decode: () => Buffer) => {
      try {
        return decode().toString('hex');
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        return error.message;
      }
    };
    for (let round = 0; round < 2000; round++) {
      const text = Buffer.from(
        Array.from({ length: uniformInt(random, 1, 9000) }, () => 97 + uniformInt(random, 0, 3)),
      );
      const packed = Buffer.from(lzwEncode(text));
      for (let hit = 0; hit < round % 4; hit++)
        packed[uniformInt(random, 0, packed.length)] = uniformInt(random, 0, 256);
      const anew = outcome(() => atOnce(lzwDecodeSteps(packed, LIMIT)));
      expect(
        outcome(() => lzwDecode(packed, LIMIT)),
        `seed ${seed} round ${round}`,
      ).toBe(anew);
    }
  });

  test('F05 M11 and M12 are refused, at once and in time', () => {
    expect(() => decompress(golden('M11'), LIMIT)).toThrow(DecodeError);
    expect(() => decompress(golden('M12'), LIMIT)).toThrow(DecodeError);
    expect(() => decompress(golden('M13'), LIMIT)).toThrow(/unknown compression/);
  });

  test('F14 a bomb stops at the limit', () => {
    const bomb = compress(Buffer.alloc(4 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(5000);
    // Processor time, and the quickest of five: the machine may be busy with something else, the decoder may not.
    const tookMs = [1, 2, 3, 4, 5].map(() => {
      const before = process.threadCpuUsage();
      expect(() => decompress(bomb, LIMIT)).toThrow(/more than/);
      const { user, system } = process.threadCpuUsage(before);
      return (user + system) / 1000;
    });
    expect(Math.min(...tookMs)).toBeLessThan(20);
  });
});

test('F14 a bomb in a stream stops at 64 MiB', () => {
  // Zeros compress about 900 to 1.
  const bomb = compress(Buffer.alloc(70 * 1024 * 1024));
  const header = Buffer.alloc(5);
  header[0] = 10;
  header.writeUInt32BE(bomb.length + 29, 1);
  expect(bomb.length).toBeLessThan(100_000);
  expect(() => openFrame(Buffer.concat([header, seal(bomb, key, nonce, header)]), [key])).toThrow(/more than 67108864/);
});

describe('C06 compress only when shorter', () => {
  test('C06 G13 stays as it is, G38 shrinks', () => {
    expect(compress(golden('G13'))).toEqual(golden('G14'));
    expect(openPacket(sealPacket(golden('G13'), false, key, nonce), [key])).toEqual(golden('G13'));
    expect(openPacket(sealPacket(encodeUserPacket(golden('G38')), false, key, nonce), [key])).toEqual(golden('G50'));
  });

  test('C06 G15 and G50', () => {
    expect(compress(Buffer.alloc(64, 'a'))).toEqual(golden('G15'));
    expect(decompress(golden('G50'), LIMIT)).toEqual(encodeUserPacket(golden('G38')));
  });
});

describe('C07 checksum', () => {
  test('C07 G16 and G51', () => {
    expect(withCrc(golden('G01'))).toEqual(golden('G16'));
    expect(withCrc(golden('G50'))).toEqual(golden('G51'));
    expect(withoutCrc(golden('G16'))).toEqual(golden('G01'));
  });

  test('C07 every flipped bit is noticed', () => {
    for (let bit = 8; bit < golden('G16').length * 8; bit++) {
      const bytes = golden('G16');
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => withoutCrc(bytes), `bit ${bit}`).toThrow(DecodeError);
    }
  });

  test('F05 M07 is dropped', () => {
    expect(messagesOf(golden('M07'))).toMatchObject({ messages: [], refused: [{ name: 'DecodeError' }] });
  });
});

describe('C08 encryption', () => {
  test('C08 datagrams G17, G18, G20, G52', () => {
    expect(sealPacket(golden('G01'), true, key, nonce)).toEqual(golden('G17'));
    expect(sealPacket(golden('G04'), false, key, nonce)).toEqual(golden('G18'));
    expect(sealPacket(golden('G19'), false, key, nonce)).toEqual(golden('G20'));
    expect(sealPacket(encodeUserPacket(golden('G38')), true, key, nonce)).toEqual(golden('G52'));
  });

  test('C08 G22 with a 256-bit key', () => {
    const long = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    const ack = golden('G06');
    ack[ack.length - 1] = 9;
    expect(seal(ack, long, nonce)).toEqual(golden('G22'));
    expect(open(golden('G22'), [long])).toEqual(ack);
  });

  test('C08 any ring position opens, an absent key does not', () => {
    const other = Buffer.alloc(16, 0x55);
    for (const ring of [
      [key, wrongKey, other],
      [wrongKey, key, other],
      [wrongKey, other, key],
    ]) {
      expect(openPacket(golden('G17'), ring)).toEqual(golden('G16'));
    }
    expect(() => openPacket(golden('G17'), [wrongKey, other])).toThrow(NoKeyError);
    expect(() => openPacket(golden('G17'), [])).toThrow(NoKeyError);
  });

  test('C08 every flipped tag bit is noticed', () => {
    for (let bit = 0; bit < 128; bit++) {
      const blob = golden('G17');
      const at = blob.length - 16 + (bit >> 3);
      blob[at] = (blob[at] ?? 0) ^ (1 << (bit & 7));
      expect(() => openPacket(blob, [key])).toThrow(DecodeError);
    }
  });
});

describe('C09 encryption version 0', () => {
  test('C09 G21 opens when allowed, and only then', () => {
    expect(open(golden('G21'), [key], { allowPadded: true })).toEqual(golden('G06'));
    expect(() => open(golden('G21'), [key])).toThrow(/version 0 refused/);
  });

  test('F08 M16, M17, M18 are refused', () => {
    for (const name of ['M16', 'M17', 'M18'] as const) {
      expect(() => open(golden(name), [key], { allowPadded: true }), name).toThrow(DecodeError);
      expect(() => open(golden(name), [key]), name).toThrow(DecodeError);
    }
  });

  test('C09 a version byte flipped by a bystander is refused', () => {
    const blob = golden('G17');
    blob[0] = 0;
    expect(() => open(blob, [key], { allowPadded: true })).toThrow(DecodeError);
    expect(() => open(blob, [key])).toThrow(DecodeError);
  });
});

describe('C10 stream frames', () => {
  test('C10 G62, G64, G65, G66', () => {
    expect(sealFrame(golden('G60'), key, nonce)).toEqual(golden('G62'));
    expect(sealFrame(golden('G63'), key, nonce)).toEqual(golden('G64'));
    expect(sealFrame(golden('G04'), key, nonce)).toEqual(golden('G65'));
    expect(sealFrame(golden('G06'), key, nonce)).toEqual(golden('G66'));
    expect(compress(golden('G60'))).toEqual(golden('G61'));
    expect(openFrame(golden('G62'), [wrongKey, key])).toEqual(golden('G60'));
    expect(frameLength(golden('G62'))).toBe(300);
  });

  test('C10 the header is authenticated', () => {
    // Sealed under the header of a frame one byte longer: blob and key are right, only the header is not.
    const plain = compress(golden('G60'));
    const [right, other] = [0, 1].map((more) => {
      const header = Buffer.from([10, 0, 0, 0, 0]);
      header.writeUInt32BE(plain.length + 29 + more, 1);
      return header;
    });
    const under = (header: Buffer | undefined) => Buffer.concat([right ?? plain, seal(plain, key, nonce, header)]);
    expect(openFrame(under(right), [key])).toEqual(golden('G60'));
    for (const header of [other, undefined]) expect(() => openFrame(under(header), [key])).toThrow(NoKeyError);
    const grown = Buffer.concat([golden('G62'), Buffer.alloc(1)]);
    grown[4] = (grown[4] ?? 0) + 1;
    expect(() => openFrame(grown, [key])).toThrow(DecodeError);
    const shrunk = golden('G62').subarray(0, -1);
    shrunk[4] = (shrunk[4] ?? 0) - 1;
    expect(() => openFrame(shrunk, [key])).toThrow(DecodeError);
  });

  test('S13 a length beyond 20 MiB is refused from the header alone', () => {
    const header = Buffer.from('0a00000000', 'hex');
    header.writeUInt32BE(MAX_FRAME_BYTES + 1, 1);
    expect(() => frameLength(header)).toThrow(/larger than limit/);
  });

  test('S12 a stream that is not encrypted is refused in the words peers know', () => {
    expect(() => frameLength(Buffer.from([8]))).toThrow('Encryption is configured but remote state is not encrypted');
    expect(() => openFrame(golden('G62'), [wrongKey])).toThrow('No installed keys could decrypt the message');
  });

  test('F01 F02 nothing inside, at either depth, is refused', () => {
    expect(() => openFrame(golden('M02'), [key])).toThrow(DecodeError);
    const header = Buffer.from([10, 0, 0, 0, 29 + golden('M03').length]);
    const frame = Buffer.concat([header, seal(golden('M03'), key, nonce, header)]);
    expect(() => openFrame(frame, [key])).toThrow(/compressed nothing/);
    expect(messagesOf(openPacket(golden('M01'), [key]))).toMatchObject({ messages: [] });
  });

  test('F07 labels are refused', () => {
    for (const name of ['G23', 'M14', 'M15'] as const) {
      expect(() => openPacket(golden(name), [key]), name).toThrow(DecodeError);
      expect(() => frameLength(golden(name)), name).toThrow(DecodeError);
    }
  });
});

describe('F15 wrappers in wrappers', () => {
  test('F15 compress nested 20 deep and compound 10 deep are cut', () => {
    let packet = golden('G06');
    for (let i = 0; i < 20; i++) packet = compress(packet);
    expect(messagesOf(packet).messages).toEqual([]);
    let compound: Buffer = golden('G06');
    for (let i = 0; i < 10; i++) {
      const head = Buffer.from([7, 1, 0, 0]);
      head.writeUInt16BE(compound.length, 2);
      compound = Buffer.concat([head, compound]);
    }
    expect(messagesOf(compound).messages).toEqual([]);
  });

  test('a compound of compresses and bare parts is delivered in order', () => {
    const parts = [compress(golden('G04')), golden('G08'), compress(golden('G09'))];
    const head = Buffer.alloc(8);
    head[0] = 7;
    head[1] = 3;
    for (const [i, part] of parts.entries()) head.writeUInt16BE(part.length, 2 + 2 * i);
    expect(messagesOf(withCrc(Buffer.concat([head, ...parts]))).messages).toEqual([
      golden('G04'),
      golden('G08'),
      golden('G09'),
    ]);
  });

  test('the parts of one packet share one limit', () => {
    const part = compress(Buffer.alloc(400 * 1024, 11));
    const head = Buffer.alloc(2 + 2 * 5);
    head[0] = 7;
    head[1] = 5;
    for (let i = 0; i < 5; i++) head.writeUInt16BE(part.length, 2 + 2 * i);
    const { messages, refused } = messagesOf(Buffer.concat([head, part, part, part, part, part]));
    expect([messages.length, refused.length]).toEqual([2, 3]);
  });
});
