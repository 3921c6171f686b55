import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createBed } from '#test/hosts/bed.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { ask } from './ask.ts';
import { request } from './packet.ts';
import { seen } from './seen.ts';
import { startUpstream } from './upstream.ts';

const FIXTURE = join(import.meta.dirname, 'resolver.fixture.ts');

/** netd's resolver in a process of its own. */
async function startResolver(namespace: string, server: string) {
  const child = spawn(process.execPath, [FIXTURE, namespace, server], { stdio: ['ignore', 'pipe', 'inherit'] });
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('it ended'))),
  ]);
  return {
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

it('the resolver of the engine answers while netd is dead, and netd takes over again', async () => {
  await using bed = await createBed();
  const host = await bed.host('engine');
  await using upstream = await startUpstream(`/proc/${host.pid}/ns/net`, host.address);
  await host.engine.start();
  await host.engine.load();
  await host.docker('network', 'create', 'user');
  const run = ['run', '--detach', '--network', 'user', '--dns', upstream.address];
  await host.docker(...run, '--name', 'client', '--network-alias', 'neighbour', BUSYBOX, 'sleep', '100000');
  const key = await host.docker('inspect', '--format', '{{.NetworkSettings.SandboxKey}}', 'client');
  const namespace = host.path(key.replace('/var/run', '/run'));

  const told = async (name: string, transport: 'udp' | 'tcp') => {
    const reply = seen(await ask(namespace, request(name), { transport, timeoutMs: 10_000 }));
    return reply === 'no reply' ? reply : { rcode: reply.rcode, ttls: reply.ttls };
  };
  const KNOWN = { rcode: 'NOERROR', ttls: [600] };
  const UNKNOWN = { rcode: 'NXDOMAIN', ttls: [] };
  const OUTSIDE = { rcode: 'NOERROR', ttls: [77] };

  const expectEngine = async () => {
    for (const transport of ['udp', 'tcp'] as const) {
      expect(await told('neighbour', transport)).toEqual(KNOWN);
      expect(await told('web', transport)).toEqual(UNKNOWN);
      expect(await told('www.example', transport)).toEqual(OUTSIDE);
    }
  };
  const expectNetd = async () => {
    for (const transport of ['udp', 'tcp'] as const) {
      expect(await told('neighbour', transport)).toEqual(UNKNOWN);
      expect(await told('web', transport)).toEqual(KNOWN);
      expect(await told('www.example', transport)).toEqual(OUTSIDE);
    }
  };

  await expectEngine();
  let netd = await startResolver(namespace, upstream.address);
  try {
    for (let round = 0; round < 3; round++) {
      await expectNetd();
      await netd.kill();
      await eventually('the engine answers', async () => (await told('web', 'udp')) !== 'no reply', {
        timeoutMs: 5000,
      });
      await expectEngine();
      netd = await startResolver(namespace, upstream.address);
    }
    await expectNetd();
    // As the container's own programs see it, by its resolv.conf.
    expect(await host.docker('exec', 'client', 'nslookup', 'web')).toContain('10.0.1.2');
  } finally {
    await netd.kill();
  }
});
