import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAddress, writeNewAddress } from './address.ts';
import { readEvent } from './event.ts';
import { AF_BRIDGE, AF_INET, AF_INET6, readAnswer } from './header.ts';
import { type NewLink, writeNewLink, writeSetLink } from './link.ts';
import { readLink } from './link-row.ts';
import { type Message, NetlinkDecodeError, readMessages } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';
import { readNeighbor, writeDelFdb, writeNewFdb, writeNewNeighbor } from './neighbor.ts';
import { readRoute, writeGetRoute, writeReplaceRoute } from './route.ts';

/** The bytes of one message, acknowledgement asked for, with sequence number 1. */
function bytesOf(write: (w: MessageWriter) => void): string {
  const w = new MessageWriter(1);
  write(w);
  w.acknowledgeLast();
  return w.written().toString('hex');
}

/** The one message `write` writes. */
function messageOf(write: (w: MessageWriter) => void): Message {
  const w = new MessageWriter(1);
  write(w);
  const messages: Message[] = [];
  readMessages(w.written(), (message) => messages.push(message));
  const [message] = messages;
  if (message === undefined || messages.length !== 1) throw new Error(`${messages.length} messages`);
  return message;
}

const hex = (text: string) => text.replaceAll(/\s/g, '');
const index = (value: number) => value.toString(16).padStart(2, '0').padEnd(8, '0');

describe('messages the kernel has accepted (spec dataplane §9.2, 9.3)', () => {
  it.for<[string, (w: MessageWriter) => void, string]>([
    [
      'a vxlan device with the flags of Docker',
      (w) =>
        writeNewLink(w, {
          name: 'vx-001001-3kqz1',
          mtu: 1450,
          txQueueLength: 0,
          type: {
            kind: 'vxlan',
            id: 4097,
            local: '192.168.50.1',
            port: 4789,
            ttl: 0,
            tos: 0,
            learning: true,
            proxy: true,
            routeShortCircuit: false,
            l2miss: true,
            l3miss: true,
          },
        }),
      `a8000000 10000506 01000000 00000000 00000000 00000000 00000000 00000000
       14000300 76782d30 30313030 312d336b 717a3100
       08000400 aa050000 08000d00 00000000
       64001200 09000100 76786c61 6e000000 54000200
       08000100 01100000 08000400 c0a83201 05000500 00000000 05000600 00000000
       05000700 01000000 05000b00 01000000 05000c00 00000000 05000d00 01000000
       05000e00 01000000 06000f00 12b50000`,
    ],
    [
      'enslave and up',
      (w) => writeSetLink(w, 7, { isUp: true, master: 9 }),
      `28000000 10000500 01000000 00000000 00000000 ${index(7)} 01000000 01000000 08000a00 ${index(9)}`,
    ],
    [
      'a forwarding row',
      (w) => writeNewFdb(w, 7, '02:42:0a:00:01:05', '192.168.50.2'),
      `30000000 1c000505 01000000 00000000 07000000 ${index(7)} 80000200
       0a000200 02420a00 01050000 08000100 c0a83202`,
    ],
    [
      'a neighbour',
      (w) => writeNewNeighbor(w, 7, '10.0.1.5', '02:42:0A:00:01:05'),
      `30000000 1c000505 01000000 00000000 02000000 ${index(7)} 80000001
       08000100 0a000105 0a000200 02420a00 01050000`,
    ],
    [
      'an address',
      (w) => writeNewAddress(w, 7, '10.0.1.1', 24),
      `28000000 14000506 01000000 00000000 02180000 ${index(7)} 08000200 0a000101 08000100 0a000101`,
    ],
    [
      'a route to a sibling subnet',
      (w) => writeReplaceRoute(w, { destination: '10.0.2.0/24', gateway: '10.0.1.1', ifindex: 7 }),
      `34000000 18000505 01000000 00000000 02180000 fe040001 00000000
       08000100 0a000200 08000500 0a000101 08000400 ${index(7)}`,
    ],
    [
      'a question for a route',
      (w) => writeGetRoute(w, '10.0.2.5', '10.0.1.1'),
      `2c000000 1a000500 01000000 00000000 02202000 00000000 00000000
       08000100 0a000205 08000200 0a000101`,
    ],
  ])('%s', ([, write, expected]) => {
    expect(bytesOf(write)).toBe(hex(expected));
  });
});

const byte = fc.integer({ min: 0, max: 255 });
const ifindex = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const ipv4 = fc.tuple(byte, byte, byte, byte).map((octets) => octets.join('.'));
const mac = fc
  .array(byte, { minLength: 6, maxLength: 6 })
  .map((octets) => octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':'));
const name = fc.stringMatching(/^[a-z0-9_-]{1,15}$/);
const vxlan = fc.record({
  kind: fc.constant('vxlan' as const),
  id: fc.integer({ min: 0, max: 2 ** 24 - 1 }),
  port: fc.integer({ min: 1, max: 65_535 }),
  local: ipv4,
  ttl: byte,
  tos: byte,
  learning: fc.boolean(),
  ageingSec: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  proxy: fc.boolean(),
  routeShortCircuit: fc.boolean(),
  l2miss: fc.boolean(),
  l3miss: fc.boolean(),
});

describe('what is written is read the same', () => {
  it('links', () => {
    const link = fc.record({ name, mtu: fc.integer({ min: 68, max: 65_535 }), mac, isUp: fc.boolean(), type: vxlan });
    fc.assert(
      fc.property(link, fc.nat(), ({ type, ...settings }, master) => {
        const { kind, ...wished } = type;
        const row = readLink(messageOf((w) => writeNewLink(w, { ...settings, master, type } satisfies NewLink)));
        expect(row).toMatchObject({ ...settings, master, kind, vxlan: wished });
      }),
    );
  });

  it('ports and bridges', () => {
    const port = fc.record({
      hairpin: fc.boolean(),
      learning: fc.boolean(),
      unicastFlood: fc.boolean(),
      broadcastFlood: fc.boolean(),
      neighborSuppress: fc.boolean(),
      isolated: fc.boolean(),
    });
    const bridge = fc.record({
      ageingSec: fc.integer({ min: 0, max: 40_000_000 }),
      spanningTree: fc.boolean(),
      vlanFiltering: fc.boolean(),
      multicastSnooping: fc.boolean(),
      defaultPvid: fc.integer({ min: 0, max: 4094 }),
    });
    const text = fc.string({ unit: 'grapheme', maxLength: 60 }).filter((alias) => !alias.includes('\0'));
    fc.assert(
      fc.property(ifindex, bridge, port, text, (id, bridgeWish, portWish, alias) => {
        const change = { bridge: bridgeWish, port: portWish, alias };
        const row = readLink(messageOf((w) => writeSetLink(w, id, change)));
        expect(row).toMatchObject({ index: id, ...change });
      }),
    );
  });

  it('neighbours and forwarding rows', () => {
    fc.assert(
      fc.property(ifindex, ipv4, mac, (id, ip, address) => {
        const fixed = { ifindex: id, ip, mac: address, isStatic: true, isMaster: false, isLearned: false };
        const neighbor = readNeighbor(messageOf((w) => writeNewNeighbor(w, id, ip, address)));
        expect(neighbor).toEqual({ ...fixed, family: AF_INET });
        expect(readNeighbor(messageOf((w) => writeNewFdb(w, id, address, ip)))).toEqual({
          ...fixed,
          family: AF_BRIDGE,
        });
        const deletion = readEvent(messageOf((w) => writeDelFdb(w, id, address, ip)));
        expect(deletion).toMatchObject({ topic: 'neighbor', isRemoval: true, ifindex: id });
      }),
    );
    const v6 = readNeighbor(messageOf((w) => writeNewNeighbor(w, 1, 'fd00::5', '02:42:0a:00:01:05')));
    expect(v6).toMatchObject({ family: AF_INET6, ip: 'fd00::5' });
  });

  it('addresses and routes', () => {
    const prefix = fc.integer({ min: 0, max: 32 });
    fc.assert(
      fc.property(ifindex, ipv4, ipv4, prefix, fc.nat(), (id, ip, gateway, length, number) => {
        const address = readAddress(messageOf((w) => writeNewAddress(w, id, ip, length)));
        expect(address).toMatchObject({ ifindex: id, ip, prefixLength: length, scope: 0 });
        const route = { gateway, ifindex: id, priority: number, mtu: number, table: number, source: ip };
        const destination = `${length === 0 ? '0.0.0.0' : ip}/${length}`;
        expect(readRoute(messageOf((w) => writeReplaceRoute(w, { ...route, destination })))).toMatchObject({
          ...route,
          destination,
          protocol: 4,
          type: 1,
        });
      }),
    );
  });
});

describe('what cannot be written', () => {
  const within = (write: (w: MessageWriter) => void) => (w: MessageWriter) => {
    w.begin(1, 1);
    write(w);
  };
  it.for<[string, (w: MessageWriter) => void, RegExp]>([
    ['a hardware address', within((w) => w.attributeMac(1, '02:42:0a:00:01:0g')), /not a hardware address/],
    ['one with other marks', within((w) => w.attributeMac(1, '02-42-0a-00-01-05')), /not a hardware address/],
    ['a short one', within((w) => w.attributeMac(1, '02:42:0a:00:01')), /not a hardware address/],
    ['an IP address', within((w) => w.attributeIp(1, '10.0.1')), /not an IP address/],
    ['a name with a zero', within((w) => w.attributeString(1, 'a\0b')), /zero byte/],
    ['a long attribute', within((w) => w.attributeBytes(1, Buffer.alloc(65_532))), /does not fit/],
    ['a destination', (w) => writeReplaceRoute(w, { destination: '10.0.0.0/33' }), /not a destination/],
    ['a rename by name', (w) => writeSetLink(w, 'a', { name: 'b' }), /by its index/],
    [
      'a message that never ends',
      within((w) => {
        for (let i = 0; i < 5; i++) w.attributeBytes(1, Buffer.alloc(60_000));
      }),
      /too long/,
    ],
  ])('%s is refused, and the message is as if never begun', ([, write, why]) => {
    const w = new MessageWriter(7);
    writeDelFdb(w, 1, '02:42:0a:00:01:05', '192.0.2.1');
    const before = w.written().toString('hex');
    expect(() => write(w)).toThrow(why);
    w.abandon();
    expect(w.written().toString('hex')).toBe(before);
    expect([w.sequence, w.messages]).toEqual([8, 1]);
  });
});

describe('answers', () => {
  const answer = (text: string) => {
    const read: unknown[] = [];
    readMessages(Buffer.from(hex(text), 'hex'), (message) => read.push(readAnswer(message)));
    return read[0];
  };

  it('are errno and the words of the kernel, whether capped or not', () => {
    const text = '0c000100 6e6f2073 756368 00';
    expect(answer('24000000 02000000 01000000 00000000 00000000 10000000 10000500 01000000 00000000')).toEqual({
      errno: 0,
      text: '',
    });
    expect(answer(`30000000 02000003 01000000 00000000 efffffff 28000000 10000500 01000000 00000000 ${text}`)).toEqual({
      errno: 17,
      text: 'no such',
    });
    expect(
      answer(`34000000 02000002 01000000 00000000 efffffff 14000000 10000500 01000000 00000000 aabbccdd ${text}`),
    ).toEqual({ errno: 17, text: 'no such' });
  });

  it.for([
    ['a status that is no error', '14000000 02000000 01000000 00000000 01000000'],
    ['nothing', '10000000 02000000 01000000 00000000'],
    ['an echo longer than itself', '24000000 02000002 01000000 00000000 efffffff ff000000 10000500 01000000 00000000'],
  ])('with %s are refused', ([, text = '']) => {
    expect(() => answer(text)).toThrow(NetlinkDecodeError);
  });
});

describe('bytes that are wrong', () => {
  const good = [
    messageOf((w) => writeNewLink(w, { name: 'a', type: { kind: 'bridge', defaultPvid: 0 } })),
    messageOf((w) => writeNewLink(w, { name: 'a', type: { kind: 'vxlan', id: 1, port: 4789, local: '192.0.2.1' } })),
    messageOf((w) => writeNewFdb(w, 1, '02:42:0a:00:01:05', '192.0.2.1')),
    messageOf((w) => writeNewAddress(w, 1, 'fd00::1', 64)),
    messageOf((w) => writeReplaceRoute(w, { destination: '10.0.0.0/8', gateway: '10.0.0.1', mtu: 1400 })),
  ].map(({ bytes }) => bytes);

  it('give an error that says where, or a row; never anything else', () => {
    const damage = fc.record({
      of: fc.constantFrom(...good),
      cut: fc.nat(),
      bytes: fc.array(fc.tuple(fc.nat(), byte), { maxLength: 6 }),
    });
    fc.assert(
      fc.property(damage, ({ of, cut, bytes }) => {
        const datagram = Buffer.from(of.subarray(0, of.length - (cut % 5 === 0 ? cut % of.length : 0)));
        for (const [at, value] of bytes) datagram[at % datagram.length] = value;
        onlyDecodeErrors(datagram);
      }),
      { numRuns: 2000 },
    );
  });

  it('so does noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => onlyDecodeErrors(Buffer.from(noise))),
      {
        numRuns: 2000,
      },
    );
  });

  function onlyDecodeErrors(datagram: Buffer): void {
    try {
      readMessages(datagram, (message) => {
        for (const read of [readEvent, readLink, readNeighbor, readAddress, readRoute, readAnswer])
          attempt(read, message);
      });
    } catch (error) {
      expect(error).toBeInstanceOf(NetlinkDecodeError);
    }
  }

  function attempt(read: (message: Message) => unknown, message: Message): void {
    try {
      read(message);
    } catch (error) {
      expect(error).toBeInstanceOf(NetlinkDecodeError);
    }
  }
});
