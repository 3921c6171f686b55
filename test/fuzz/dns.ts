import assert from 'node:assert/strict';
import { seededRandom, uniformInt } from '#base/random.ts';
import { HEADER_BYTES, MAX_TCP_BYTES, MAX_UDP_BYTES } from '#netd/dns/codes.ts';
import { newCounters } from '#netd/dns/counters.ts';
import { FrameReader } from '#netd/dns/frames.ts';
import { NetworkNames } from '#netd/dns/names.ts';
import { parseResolvConf } from '#netd/dns/resolv-conf.ts';
import { handleRequest, type Transport } from '#netd/dns/resolver.ts';
import { request, reverseName } from '#test/dns/packet.ts';
import { mutate, noise } from './mutate.ts';

/** Requests of every kind the resolver knows, to be damaged. */
export function dnsCorpus(): Buffer[] {
  const names = [
    'web',
    'tasks.web',
    'WEB.plain',
    'many',
    'nosuch.example',
    'x'.repeat(63),
    '',
    reverseName('10.0.0.5'),
  ];
  return names.flatMap((name) =>
    [1, 12, 15, 28, 255].flatMap((type) => [request(name, { type }), request(name, { type, udpBytes: 1232 })]),
  );
}

/**
 * Throws damaged requests at the resolver until `isOver`: every one gets a well-formed reply, silence or the way to another server, and
 * nothing is written beside the room for the reply.
 *
 * @returns inputs tried
 */
export function fuzzDns(seed: number, isOver: (inputs: number) => boolean): number {
  const random = seededRandom(seed);
  const corpus = dnsCorpus();
  const zone = { networks: [{ name: 'plain', names: someNames() }], ndotsExplicit: false };
  const counters = newCounters();
  let inputs = 0;
  for (; !isOver(inputs); inputs++) {
    const parent = corpus[uniformInt(random, 0, corpus.length)] ?? Buffer.alloc(0);
    const input = random() < 0.05 ? noise(random, uniformInt(random, 0, 1500)) : mutate(parent, random, corpus);
    try {
      const kind = random() < 0.5 ? 'udp' : 'tcp';
      const outLength = kind === 'udp' ? MAX_UDP_BYTES : MAX_TCP_BYTES;
      const out = scratch.subarray(0, outLength + 2 * GUARD).fill(FILL);
      const transport: Transport = { kind, room: (limit) => ({ out, at: GUARD, limit }) };
      const handled = handleRequest(input, 0, input.length, { zone, transport, counters, random });
      if (handled.kind === 'reply') checkReply(input, out, handled.length, handled.room.limit);
      if (handled.kind === 'forward') assert(handled.query.questionEnd <= input.length);
      new FrameReader().push(input);
      parseResolvConf(input.toString('latin1'));
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}: ${String(error)}\n${input.toString('hex')}`, { cause: error });
    }
  }
  return inputs;
}

const GUARD = 16;
const FILL = 0xa5;
const scratch = Buffer.alloc(MAX_TCP_BYTES + 2 * GUARD);

function checkReply(input: Buffer, out: Buffer, length: number, limit: number): void {
  assert(length >= HEADER_BYTES && length <= limit, `${length} bytes where ${limit} are allowed`);
  const reply = out.subarray(GUARD, GUARD + length);
  assert.equal(reply.readUInt16BE(0), input.readUInt16BE(0), 'the id is another');
  assert.equal(reply.readUInt8(2) & 0x80, 0x80, 'it is no reply');
  const beside = [out.subarray(0, GUARD), out.subarray(GUARD + length, GUARD + length + GUARD)];
  for (const bytes of beside)
    assert(
      bytes.every((byte) => byte === FILL),
      'bytes beside the reply are written',
    );
}

function someNames(): NetworkNames {
  const names = new NetworkNames();
  for (let i = 0; i < 300; i++) {
    names.put(`e${i}`, {
      name: `many.${i}`,
      service: i < 5 ? { id: 'web', name: 'web' } : { id: 'many', name: 'many' },
      virtualIp: i < 5 ? '10.0.0.2' : undefined,
      ip: `10.0.${i >> 8}.${i & 255}`,
      ingressPorts: [],
      aliases: [],
      taskAliases: ['x'.repeat(63)],
      disabled: i % 7 === 0,
    });
  }
  return names;
}
