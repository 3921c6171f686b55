import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createBed } from '#test/hosts/bed.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { BUSYBOX } from '#test/hosts/image.ts';

describe('a bed', () => {
  it('has hosts that see each other, and nothing beyond', async () => {
    await using bed = await createBed();
    const [a, b] = await Promise.all([bed.host('a'), bed.host('b')]);
    expect(await a.run(['hostname'])).toBe('a');
    expect(await b.run(['hostname'])).toBe('b');
    await a.run(['ping', '-c1', '-W2', b.address]);
    const beyond = await a.exec(['ping', '-c1', '-W2', '192.0.2.1']);
    expect(beyond.stderr).toMatch(/unreachable|No route to host/i);
    expect(await b.run(['cat', '/proc/sys/net/ipv4/ip_forward'])).toBe('1');
    expect((await a.exec(['touch', '/opt/netd/x'])).stderr).toContain('Read-only');
  });

  it('runs commands: input, environment, exit status, time-out', async () => {
    await using bed = await createBed();
    const host = await bed.host('a');
    const said = await host.exec(['sh', '-c', 'cat; echo $WORD >&2; exit 3'], { input: 'in', env: { WORD: 'env' } });
    expect(said).toEqual({ exitCode: 3, signal: null, stdout: 'in', stderr: 'env\n' });
    await expect(host.run(['sh', '-c', 'echo no >&2; exit 1'])).rejects.toThrow('exited with 1: no');
    const slow = host.run(['sh', '-c', 'echo begun; sleep 100 | cat'], { timeoutMs: 300 });
    await expect(slow).rejects.toThrow(/took longer than 300 ms\n.*begun/s);
    // Nothing of it runs on.
    await eventually('sleep is gone', async () => !(await host.run(['ps', '-eo', 'comm='])).includes('sleep'));
  });

  it('runs daemons: pid, log, signals, end', async () => {
    await using bed = await createBed();
    const host = await bed.host('a');
    const script = 'trap "echo bye; exit 7" TERM; echo hello; while :; do sleep 0.05; done';
    const daemon = await host.spawn('demo', ['sh', '-c', script]);
    await eventually('it says hello', () => daemon.log().includes('hello'));
    expect(readFileSync(`/proc/${daemon.pid}/comm`, 'utf8').trim()).toBe('sh');
    expect(daemon.running).toBe(true);
    expect(await daemon.stop()).toEqual({ exitCode: 7, signal: null });
    expect(daemon.log()).toContain('bye');
    const next = await host.spawn('demo', ['sleep', '100']);
    await next.crash();
    expect(next.end).toEqual({ exitCode: null, signal: 'SIGKILL' });
    const bad = await host.spawn('bad', ['sh', '-c', 'echo broken; exit 1']);
    expect(await bad.ended).toEqual({ exitCode: 1, signal: null });
    expect([bad.running, bad.logTail()]).toEqual([false, 'broken']);
  });

  it('parts hosts and joins them again', async () => {
    await using bed = await createBed();
    const [a, b] = await Promise.all([bed.host('a'), bed.host('b')]);
    const ping = ['ping', '-c1', '-W1', b.address];
    await a.run(ping);
    await b.linkDown();
    expect((await a.exec(ping)).exitCode).not.toBe(0);
    await b.linkUp();
    await eventually('b answers again', async () => (await a.exec(ping)).exitCode === 0);
  });

  it("makes a server of the test's own process reachable", async () => {
    await using bed = await createBed();
    const host = await bed.host('a');
    const server = createServer((request, response) => response.end(`you asked for ${request.url}`));
    const socketPath = join(mkdtempSync(join(bed.scratch, 'server-')), 'socket');
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const address = await bed.switch.expose(socketPath, 8080);
    expect(await host.run(['curl', '-s', `http://${address}/x`])).toBe('you asked for /x');
    server.close();
  });

  it('survives a power cut: files stay, memory goes', async () => {
    await using bed = await createBed();
    const host = await bed.host('a');
    await host.engine.start({ liveRestore: true });
    await host.engine.load();
    await host.docker('run', '-d', '--name', 'web', '--restart', 'always', BUSYBOX, 'sleep', '1000');
    await host.run(['sh', '-c', 'echo kept >/var/lib/file; echo lost >/run/file; nft add table ip t']);
    const bootedAt = await host.docker('inspect', '-f', '{{.State.StartedAt}}', 'web');
    await host.powerCycle();
    expect(host.engine.running).toBe(false);
    expect(await host.run(['cat', '/var/lib/file'])).toBe('kept');
    expect(existsSync(host.path('/run/file'))).toBe(false);
    expect(await host.run(['nft', 'list', 'tables'])).toBe('');
    expect(await host.run(['sh', '-c', 'ip -brief link | wc -l'])).toBe('2');
    await host.engine.start();
    await eventually('the engine has started it again', async () => {
      const state = await host.docker('inspect', '-f', '{{.State.Running}} {{.State.StartedAt}}', 'web');
      return state.startsWith('true') && !state.endsWith(bootedAt);
    });
  });
});
