import { once } from 'node:events';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { Agent } from '#agent/agent.ts';
import { NOW_MS, READY } from '#agent/api/facts.fixture.ts';
import { viewOf } from '#agent/api/problems.ts';
import type { AgentView } from '#agent/api/view.ts';
import { exitStatusOf } from '#agent/cli/exit.ts';
import { resolveConfig } from '#agent/config/resolve.ts';
import { systemClock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { formatHostPort, type HostPort } from '#pki/address.ts';
import { type MetricsServer, serveMetrics } from './metrics-server.ts';
import { linesOf, parseExposition } from './samples.fixture.ts';

const clock = { ...systemClock, now: () => NOW_MS };
const log = silentLogger;
/** A port is chosen by the kernel. */
const LOOPBACK: HostPort = { host: '127.0.0.1', port: 0 };

let server: MetricsServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

async function serve(view: () => AgentView = () => viewOf(READY, NOW_MS), address = LOOPBACK): Promise<string> {
  server = await serveMetrics({ address, view, clock, log });
  return `http://${formatHostPort(server.address)}`;
}

describe('the metrics server', () => {
  it('serves what a scraper can read', async () => {
    const response = await fetch(`${await serve()}/metrics?collect=all`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const families = parseExposition(await response.text());
    expect(linesOf(families)).toEqual(expect.arrayContaining(['netd_ready 1', 'netd_heartbeat_age_seconds 2']));
    const value = (name: string) => families.find((family) => family.name === name)?.samples[0]?.value ?? 0;
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(2 ** 20);
    expect(value('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(value('process_open_fds')).toBeGreaterThan(2);
    expect(families.map(({ name }) => name)).toContain('netd_event_loop_active_seconds_total');
  });

  it('shows the view of the moment', async () => {
    let facts = READY;
    const url = `${await serve(() => viewOf(facts, NOW_MS))}/metrics`;
    expect(await (await fetch(url)).text()).toContain('netd_outbox_pending 0\n');
    facts = { ...READY, outbox: { pending: 3, oldestAt: null } };
    expect(await (await fetch(url)).text()).toContain('netd_outbox_pending 3\n');
  });

  it('serves over IPv6', async () => {
    const url = await serve(undefined, { host: '::1', port: 0 });
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it('answers HEAD without a body', async () => {
    const response = await fetch(`${await serve()}/metrics`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(1000);
    expect(await response.text()).toBe('');
  });

  it.each(['/', '/metrics/', '/Metrics', '/v1/status'])('has nothing at %s but a hint', async (path) => {
    const response = await fetch((await serve()) + path);
    expect(response.status).toBe(404);
    expect(await response.text()).toBe('Nothing is here. The metrics are at /metrics.\n');
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('refuses %s', async (method) => {
    const response = await fetch(`${await serve()}/metrics`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });

  it('tells of a view that fails, and goes on', async () => {
    let broken = true;
    const url = await serve(() => {
      if (broken) throw new Error('private words');
      return viewOf(READY, NOW_MS);
    });
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe('The metrics could not be gathered; the log of netd says why.\n');
    broken = false;
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it('takes sixteen connections at once, and more when some have gone', async () => {
    const { port } = new URL(await serve());
    const held: Socket[] = [];
    onTestFinished(() => held.forEach((socket) => void socket.destroy()));
    for (let count = 0; count < 16; count++) {
      const socket = connect(Number(port), '127.0.0.1');
      held.push(socket);
      socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
      await once(socket, 'data');
    }
    const refused = connect(Number(port), '127.0.0.1');
    refused.on('error', () => {}); // closed or reset: it ends
    refused.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(refused, 'close');
    expect(refused.bytesRead).toBe(0);
    held[0]?.resume().end();
    await once(held[0] ?? refused, 'close');
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200);
  });

  it('ends at once, whoever is connected', async () => {
    const { port } = new URL(await serve());
    const silent = connect(Number(port), '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'connect');
    await Promise.all([once(silent, 'close'), server?.[Symbol.asyncDispose]()]);
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow('fetch failed');
    server = undefined;
  });

  it('says who has the port, and what to do', async () => {
    const port = Number(new URL(await serve()).port);
    await expect(serveMetrics({ address: { host: '127.0.0.1', port }, view: neverAsked, clock, log })).rejects.toThrow(
      expect.objectContaining({
        code: 'metrics-address-unusable',
        message: `metrics cannot be served at 127.0.0.1:${port}: another process listens on port ${port}`,
        mend: `"ss -ltnp sport = :${port}" names it; stop it, or give another port with --metrics-addr.`,
      }),
    );
  });

  it('says that an address is not of this host', async () => {
    const address = { host: '192.0.2.1', port: 9323 }; // RFC 5737: nobody has it
    await expect(serveMetrics({ address, view: neverAsked, clock, log })).rejects.toThrow(
      expect.objectContaining({
        message: 'metrics cannot be served at 192.0.2.1:9323: 192.0.2.1 is not an address of this host',
        mend: 'Give one that "ip address" lists with --metrics-addr, or 0.0.0.0 for all of them.',
      }),
    );
  });
});

describe('the agent with --metrics-addr', () => {
  it('serves metrics as long as it runs', async () => {
    const { agent, port } = await agentOn(await freePort());
    const stop = new AbortController();
    const ran = agent.run(stop.signal);
    const text = await eventually(async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(), ran);
    expect(linesOf(parseExposition(text))).toContain('netd_cluster_state{state="not-joined"} 1');
    stop.abort(new Error('the test is over'));
    await ran;
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow('fetch failed');
  });

  it('touches nothing, and exits with 1, when the address cannot be had', async () => {
    const port = Number(new URL(await serve()).port);
    const { agent, stateDir } = await agentOn(port);
    const failure = await agent.run(AbortSignal.abort()).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'metrics-address-unusable' });
    expect(exitStatusOf(failure)).toBe(1);
    await expect(access(stateDir)).rejects.toThrow('ENOENT');
  });
});

function neverAsked(): never {
  throw new Error('not expected');
}

/** An agent in a directory of its own, without an engine. */
async function agentOn(port: number) {
  const directory = await mkdtemp(join(tmpdir(), 'netd-metrics-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const stateDir = join(directory, 'state');
  const flags = {
    'state-dir': stateDir,
    'run-dir': join(directory, 'run'),
    engine: `unix://${directory}/none.sock`,
    'metrics-addr': `127.0.0.1:${port}`,
  };
  const { config } = resolveConfig({ flags, env: {}, file: null });
  const world = { clock: systemClock, random: Math.random, log, version: '0.1.0', hostname: 'worker-1', fips: false };
  return { agent: new Agent(config, world), port, stateDir };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

/** Tries until it works, for at most ten seconds, or until `ended` is over. */
async function eventually<T>(attempt: () => Promise<T>, ended: Promise<void>): Promise<T> {
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await Promise.race([systemClock.sleep(20), ended]);
    }
  }
}
