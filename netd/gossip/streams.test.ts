import { connect } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { listenStreams, type StreamServer, type StreamServerOptions, sendStream } from './streams.ts';
import { compress } from './wire/compress.ts';
import { NOT_ENCRYPTED, openFrame, sealFrame, sealFrameSteps } from './wire/frame.ts';
import { GOLDEN_WORLD, golden } from './wire/golden-vectors.ts';
import { seal } from './wire/seal.ts';
import { decodeErr } from './wire/swim-decode.ts';

const { key, nonce } = GOLDEN_WORLD;
const HERE = '127.0.0.1';
const otherKey = Buffer.alloc(16, 9);
const open: StreamServer[] = [];
const refusals: string[] = [];

afterEach(async () => {
  refusals.length = 0;
  await Promise.all(open.splice(0).map((server) => server[Symbol.asyncDispose]()));
});

async function server(options: Partial<StreamServerOptions> = {}): Promise<number> {
  const started = await listenStreams(
    { ip: HERE, port: 0 },
    {
      keys: () => [key],
      seal: (message) => sealFrameSteps(message, key, nonce),
      serve: async () => golden('G06'),
      refused: (_, reason) => refusals.push(reason),
      ...options,
    },
  );
  open.push(started);
  return started.port;
}

/** Sends bytes, keeps the connection open, and collects everything until the server closes it. */
function talk(port: number, bytes: Uint8Array): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = connect({ host: HERE, port });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(Buffer.concat(chunks)));
  socket.write(bytes);
  return promise;
}

const client = {
  keys: () => [key],
  seal: (message: Uint8Array) => sealFrameSteps(message, key, nonce),
  wantsReply: true,
  // No test is about it: what a busy machine takes is no failure.
  timeoutMs: 20_000,
  signal: new AbortController().signal,
};

describe('the stream server', () => {
  test('S03 a ping in a frame is answered in one, compressed or not', async () => {
    const port = await server();
    expect(await talk(port, golden('G65'))).toEqual(golden('G66'));
    const header = Buffer.from([10, 0, 0, 0, golden('G04').length + 29]);
    const bare = Buffer.concat([header, seal(golden('G04'), key, nonce, header)]);
    expect(await talk(port, bare)).toEqual(golden('G66'));
  });

  test('S12 what is not encrypted, or under another key, is answered in words, under our key', async () => {
    const port = await server();
    const words = async (bytes: Uint8Array) => decodeErr(openFrame(await talk(port, bytes), [key]));
    expect(await words(golden('G63'))).toBe(NOT_ENCRYPTED);
    expect(await words(sealFrame(golden('G04'), otherKey, nonce))).toBe('No installed keys could decrypt the message');
  });

  test('S13 a frame of more than 20 MiB is refused from its header', async () => {
    const port = await server();
    const header = Buffer.from('0a01400001', 'hex');
    expect(decodeErr(openFrame(await talk(port, header), [key]))).toMatch(/larger than limit/);
  });

  test('F01 F02 F07 empty, labelled and bad frames are closed, and the server lives', async () => {
    const port = await server();
    const header = Buffer.from([10, 0, 0, 0, golden('M03').length + 29]);
    await talk(port, golden('M02'));
    await talk(port, Buffer.concat([header, seal(golden('M03'), key, nonce, header)]));
    for (const label of ['G23', 'M14', 'M15'] as const)
      expect(await talk(port, golden(label))).toEqual(Buffer.alloc(0));
    expect(await talk(port, golden('G65'))).toEqual(golden('G66'));
    expect(refusals).toHaveLength(5);
  });

  test('S14 stalled connections are closed in time and block nobody', async () => {
    const port = await server({ deadlineMs: 2000 });
    let closed = 0;
    const stalled = Array.from({ length: 200 }, async () => {
      const answer = await talk(port, golden('G65').subarray(0, 3));
      closed++;
      return answer;
    });
    expect(await talk(port, golden('G65'))).toEqual(golden('G66'));
    expect(closed).toBe(0);
    const answers = await Promise.all(stalled);
    expect(answers.every((answer) => answer.length === 0)).toBe(true);
  });

  test('S14 a connection that says nothing more is closed after ten seconds, and not before', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const port = await server();
      let isClosed = false;
      const stalled = talk(port, golden('G65').subarray(0, 3)).then((answer) => {
        isClosed = true;
        return answer;
      });
      // Accepted after the other has been.
      await talk(port, golden('G65'));
      vi.advanceTimersByTime(9_900);
      await talk(port, golden('G65'));
      expect(isClosed).toBe(false);
      vi.advanceTimersByTime(100);
      expect(await stalled).toEqual(Buffer.alloc(0));
    } finally {
      vi.useRealTimers();
    }
  });

  test('S15 the 128th push/pull at a time is closed without a word, and there is room again afterwards', async () => {
    // Larger than what a kernel takes for a peer that does not read.
    const state = Buffer.alloc(8 * 1024 * 1024, 'abcdefgh');
    let frame: Buffer | undefined;
    const port = await server({
      // On a busy machine the 127 take longer than the usual deadline.
      deadlineMs: 60_000,
      serve: async () => state,
      // biome-ignore lint/correctness/useYield: one step
      seal: function* () {
        frame ??= sealFrame(state, key, nonce);
        return frame.length > 100_000 ? frame : Buffer.concat(new Array<Buffer>(100).fill(frame));
      },
    });
    const request = sealFrame(golden('G60'), key, nonce);
    const lazy = Array.from({ length: 127 }, () => {
      const socket = connect({ host: HERE, port });
      socket.on('error', () => undefined);
      const answered = new Promise<void>((resolve) => socket.once('readable', resolve));
      socket.write(request);
      return { socket, answered };
    });
    await Promise.all(lazy.map(({ answered }) => answered));
    expect(await talk(port, request)).toEqual(Buffer.alloc(0));
    for (const { socket } of lazy) socket.destroy();
    let length = 0;
    for (let attempt = 0; attempt < 50 && length === 0; attempt++) length = (await talk(port, request)).length;
    expect(length).toBeGreaterThan(0);
  });

  test('F24 random streams, half a frame, resets: nothing is left open', async () => {
    const port = await server({ deadlineMs: 500 });
    const held = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    const before = held();
    const random = Array.from({ length: 60 }, (_, i) => {
      const bytes = Buffer.from(Array.from({ length: i * 37 + 1 }, (_, j) => (i * 131 + j * 17) & 255));
      return talk(port, i % 2 ? Buffer.concat([Buffer.from([10, 0, 0, 1]), bytes]) : bytes);
    });
    const resets = Array.from({ length: 20 }, async () => {
      const socket = connect({ host: HERE, port });
      socket.on('error', () => undefined);
      await new Promise<void>((resolve) => socket.once('connect', resolve));
      socket.write(golden('G65').subarray(0, 20));
      socket.resetAndDestroy();
    });
    await Promise.all([...random, ...resets]);
    expect(await talk(port, golden('G65'))).toEqual(golden('G66'));
    await expect.poll(held, { timeout: 5000 }).toBeLessThanOrEqual(before);
  });
});

describe('the stream client', () => {
  test('sends and reads a reply; without a wanted reply it is done when it has sent', async () => {
    const heard: Buffer[] = [];
    const port = await server({
      serve: async (message) => {
        heard.push(message);
        return message[0] === 8 ? undefined : golden('G06');
      },
    });
    const to = { ip: HERE, port };
    expect(await sendStream(to, golden('G04'), client)).toEqual(golden('G06'));
    expect(await sendStream(to, golden('G63'), { ...client, wantsReply: false })).toBeUndefined();
    await expect.poll(() => heard).toEqual([golden('G04'), golden('G63')]);
  });

  test('fails with reasons: refused, closed, too late, aborted, not readable', async () => {
    const silent = await server({ serve: async () => undefined });
    await expect(sendStream({ ip: HERE, port: silent }, golden('G04'), client)).rejects.toThrow(
      'closed before the reply',
    );
    const other = await server({ seal: (message) => sealFrameSteps(message, otherKey, nonce) });
    await expect(sendStream({ ip: HERE, port: other }, golden('G04'), client)).rejects.toThrow('No installed keys');
    await expect(sendStream({ ip: HERE, port: 1 }, golden('G04'), client)).rejects.toThrow('ECONNREFUSED');
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(sendStream({ ip: HERE, port: other }, golden('G04'), { ...client, signal: aborted })).rejects.toThrow(
      'enough',
    );
    const { createServer } = await import('node:net');
    const mute = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => mute.listen(0, HERE, resolve));
    const address = mute.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(sendStream({ ip: HERE, port }, golden('G04'), { ...client, timeoutMs: 100 })).rejects.toThrow(
      'no answer within 100 ms',
    );
    mute.close();
  });

  test('a large message is heard although its sender has closed before it was opened', async () => {
    const large = Buffer.concat([Buffer.from([8]), Buffer.alloc(6 * 1024 * 1024, 'netd gossip ')]);
    const heard: number[] = [];
    const port = await server({
      serve: async (message) => {
        heard.push(message.length);
        return undefined;
      },
    });
    for (let i = 0; i < 3; i++) await sendStream({ ip: HERE, port }, large, { ...client, wantsReply: false });
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([large.length, large.length, large.length]);
  });

  test('a large message is opened in turns', async () => {
    const large = Buffer.concat([Buffer.from([8]), Buffer.alloc(12 * 1024 * 1024, 'netd gossip ')]);
    expect(compress(large).length).toBeLessThan(large.length);
    const port = await server({ serve: async () => large });
    let turns = 0;
    const counter = setInterval(() => turns++, 1);
    const reply = await sendStream({ ip: HERE, port }, golden('G04'), { ...client, timeoutMs: 8000 });
    expect(reply?.equals(large)).toBe(true);
    clearInterval(counter);
    expect(turns).toBeGreaterThan(3);
  });
});
