import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { FakeCa } from '#test/fake-manager/ca.ts';
import type { CommandResult } from '#test/hosts/command.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { Netd, type NetdOptions } from '#test/hosts/netd.ts';
import { type Swarm, swarmNodes, swarmOf } from '#test/hosts/swarm.ts';
import { nodeIdOf, on, problemCodes, ready, running, runsOn, sleepers, statusOf, statusWith } from './both-sides.ts';
import { type NodeBed, useNodeBed } from './node-bed.ts';
import { MANAGER_VERSIONS, useHosts } from './versions.ts';

vi.setConfig({ maxConcurrency: 200 });

// What netd says does not depend on the manager, so the newest will do.
describe.concurrent.each(MANAGER_VERSIONS.slice(-1))('bad input', (version) => {
  const bed = useNodeBed(useHosts(version));
  const started = (name: string, options?: NetdOptions) => bed().agent(name, options);

  describe('to join', { concurrent: true }, () => {
    /** Nobody ever joins it. */
    let lonely: Swarm;
    beforeAll(async () => {
      lonely = await bed().swarm('m3');
    });
    /** Neither the node nor the manager has anything of a join that was refused. */
    const nothingLeft = async (node: Netd) => {
      await eventually('the agent has given up', async () => (await statusOf(node)).cluster.state === 'not-joined');
      expect(readdirSync(node.host.path(node.stateDir))).toEqual(['agent.lock']);
      expect((await swarmNodes(lonely.manager)).map(({ hostname }) => hostname)).toEqual(['m3']);
    };

    test('a token that is none: told before anything is asked', async () => {
      await using node = await started('token');
      const { address, tokens } = lonely;
      const token = tokens.worker;
      const changed = ['', 'x', token.slice(0, -1), token.replace('SWMTKN-1', 'SWMTKN-3'), token.toUpperCase()];
      for (const wrong of changed) {
        const joined = await node.exec(['join', '--token', wrong, address]);
        expect(joined, wrong).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/^netd: .*token/) });
        expect(joined.stderr).not.toContain(token.split('-').at(-1));
      }
      await nothingLeft(node);
    });

    test('the token of a manager', async () => {
      await using node = await started('manager-token');
      const { manager, address } = bed().common;
      const { tokens } = await swarmOf(manager);
      const joined = await node.exec(['join', '--token', tokens.manager, address]);
      expect(joined).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('netd is a worker only') });
      const [, removal = ''] = /docker node rm --force (\w+)/.exec(joined.stderr.replaceAll(/\s+/g, ' ')) ?? [];
      await manager.docker('node', 'rm', '--force', removal);
      expect((await statusOf(node)).cluster.state).toBe('not-joined');
    });

    test.each([
      ['a worker', (_: Host, { sharedHost }: NodeBed) => `${sharedHost.address}:2377`, /a worker never does/],
      ['something else', (manager: Host) => `${manager.address}:7946`, /not a manager|TLS|answer/i],
      ['a name nobody knows', () => 'nowhere.invalid', /nowhere\.invalid/],
      ['no address at all', () => 'm1:port', /m1:port/],
    ])('the address of %s', async (what, address, message) => {
      await using node = await started(`address-${what.replaceAll(' ', '-')}`);
      const joined = await node.exec(['join', '--token', lonely.tokens.worker, address(lonely.manager, bed())]);
      expect(joined).toMatchObject({ stderr: expect.stringMatching(message) });
      expect(joined.exitCode).toBe(what === 'no address at all' ? 2 : 1);
      await nothingLeft(node);
    });

    test('an address nobody is at: goes on in the background, and can be given up', async () => {
      await using node = await started('silent');
      const { tokens, address } = lonely;
      const joined = await node.exec(['join', '--timeout', '2s', '--token', tokens.worker, '10.77.1.200']);
      expect(joined).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('"netd leave" gives it up') });
      const again = await node.exec(['join', '--token', tokens.worker, address]);
      expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('under way already') });
      await node.run(['leave']);
      await nothingLeft(node);
      await node.join(bed().common);
    });
  });

  describe('a host that has joined', { concurrent: true }, () => {
    test('a second join is refused, and with --force begins anew', async () => {
      await using node = await bed().worker('twice');
      const { manager, tokens, address } = bed().common;
      const before = await nodeIdOf(node);
      const service = await sleepers(manager, 'twice', ...on(node));
      await running(manager, service);
      const [container] = await runsOn(node.host, service);
      const again = await node.exec(['join', '--token', tokens.worker, address]);
      expect(again).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/already[\s\S]*netd leave[\s\S]*--force/),
      });
      expect(await nodeIdOf(node)).toBe(before);
      expect(await runsOn(node.host, service)).toEqual([container]);
      await node.join(bed().common, ['--force']);
      expect(await nodeIdOf(node)).not.toBe(before);
    });

    test('another swarm has to wait for --force, too', async () => {
      await using node = await bed().worker('elsewhere');
      const before = await nodeIdOf(node);
      const other = bed().changing;
      const joined = await node.exec(['join', '--token', other.tokens.worker, other.address]);
      expect(joined).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/of another one[\s\S]*--force/) });
      expect((await ready(node)).cluster.nodeId).toBe(before);
      await node.join(other, ['--force']);
      expect((await swarmNodes(other.manager)).map(({ id }) => id)).toContain(await nodeIdOf(node));
    });

    test('with a token that is none, --force throws nothing away', async () => {
      await using node = await bed().worker('careful');
      const before = await nodeIdOf(node);
      const joined = await node.exec(['join', '--force', '--token', 'SWMTKN-1-x-y', bed().common.address]);
      expect(joined.exitCode).toBe(2);
      expect((await ready(node)).cluster.nodeId).toBe(before);
    });
  });

  describe('a second agent', { concurrent: true }, () => {
    test.each([
      ['state directory', (node: Netd) => ({ stateDir: node.stateDir, runDir: '/run/second' })],
      ['run directory', (node: Netd) => ({ stateDir: '/var/lib/second', runDir: node.runDir })],
    ])('on the same %s is refused', async (what, directories) => {
      await using node = await bed().worker(`first-${what.slice(0, 3)}`);
      const nodeId = await nodeIdOf(node);
      const end = await startFails(node, { name: `second-${what.slice(0, 3)}`, ...directories(node) });
      expect(end).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/another netd agent/) });
      expect((await ready(node)).cluster.nodeId).toBe(nodeId);
    });
  });

  describe('a state directory', { concurrent: true }, () => {
    const foreign = () => new FakeCa().issueWithKey('somebody', 'worker');
    test('whose identity is damaged: refused, touched in no way, and good again when it is restored', async () => {
      await using node = await bed().worker('damaged');
      const nodeId = await nodeIdOf(node);
      await node.stop();
      const directory = node.host.path(`${node.stateDir}/certificates`);
      const saved = `${directory}.saved`;
      cpSync(directory, saved, { recursive: true });
      const damage: Readonly<Record<string, (directory: string) => void>> = {
        'no root': (at) => rmSync(`${at}/swarm-root-ca.crt`),
        'no key': (at) => rmSync(`${at}/swarm-node.key`),
        'a certificate cut short': (at) =>
          writeFileSync(`${at}/swarm-node.crt`, readFileSync(`${at}/swarm-node.crt`).subarray(0, 300)),
        'an empty key': (at) => writeFileSync(`${at}/swarm-node.key`, ''),
        'the key of another': (at) => writeFileSync(`${at}/swarm-node.key`, foreign().keyPem),
        'the root of another swarm': (at) => writeFileSync(`${at}/swarm-root-ca.crt`, new FakeCa().rootBundle),
      };
      for (const [what, harm] of Object.entries(damage)) {
        harm(directory);
        const before = contents(directory);
        const end = await startFails(node, { name: 'damaged' });
        expect(end, what).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/damaged[\s\S]*→/) });
        expect(end.stderr, what).not.toContain('netd leave'); // nobody is there to be told
        expect(contents(directory), what).toEqual(before);
        rmSync(directory, { recursive: true });
        cpSync(saved, directory, { recursive: true });
      }
      await node.start();
      expect((await ready(node)).cluster.nodeId).toBe(nodeId);
    });

    test('whose other files are damaged: goes on with what the manager and the engine know', async () => {
      await using node = await bed().worker('half');
      const { manager } = bed().common;
      const service = await sleepers(manager, 'half', ...on(node));
      await running(manager, service);
      const [container] = await runsOn(node.host, service);
      await node.stop();
      writeFileSync(node.host.path(`${node.stateDir}/tasks.pb`), 'nonsense');
      await node.start();
      await ready(node);
      await running(manager, service);
      expect(await runsOn(node.host, service)).toEqual([container]);

      await node.stop();
      writeFileSync(node.host.path(`${node.stateDir}/state.json`), '{"managers":');
      await node.start();
      const status = await statusWith(node, 'misses its managers', ({ problems }) =>
        problems.some(({ code, mend }) => code === 'manager-unreachable' && mend.includes('"netd join"')),
      );
      expect(problemCodes(status)).toContain('state-not-written');
      expect(await runsOn(node.host, service)).toEqual([container]);
    });

    test('that is none', async () => {
      const end = await startFails(await started('file'), { name: 'other-file', stateDir: '/etc/hostname/state' });
      expect(end).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/\/etc\/hostname\/state[\s\S]*--state-dir/),
      });
    });
  });

  describe('an engine', { concurrent: true }, () => {
    test.each<[string, string | undefined, string, RegExp]>([
      ['that is not there', undefined, 'engine-down', /cannot be reached/],
      ['that is none', '', 'not-an-engine', /not a Docker engine/],
      ['that is too old', '1.25', 'engine-too-old', /needs 1\.4\d/],
    ])('%s', async (what, apiVersion, code, message) => {
      const name = `engine-${what.split(' ').at(-1)}`;
      const socket = `/run/${name}.sock`;
      const { sharedHost, common } = bed();
      const program = [
        'node',
        '/opt/netd/test/conformance/fake-engine.ts',
        socket,
        ...(apiVersion ? [apiVersion] : []),
      ];
      const server = apiVersion === undefined ? undefined : await sharedHost.spawn(`fake-${name}`, program);
      await using node = await started(name, { flags: ['--engine', `unix://${socket}`] });
      await statusWith(node, code, (status) => problemCodes(status).includes(code));
      expect((await node.exec(['status'])).exitCode).toBe(3);
      const joined = await node.exec(['join', '--token', common.tokens.worker, common.address]);
      expect(joined).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(message) });
      expect((await statusOf(node)).cluster.state).toBe('not-joined');
      await server?.stop();
    });
  });
});

/** Starts an agent on the node's host, which must end by itself. */
async function startFails(node: Netd, options: NetdOptions): Promise<CommandResult> {
  const agent = new Netd(node.host, options);
  const directories = ['--state-dir', agent.stateDir, '--run-dir', agent.runDir];
  return node.host.exec(['node', '/opt/netd/agent/main.ts', 'agent', ...directories]);
}

/** Names and bytes of a directory's files. */
function contents(directory: string): readonly string[] {
  return readdirSync(directory).map((name) => `${name} ${readFileSync(`${directory}/${name}`, 'base64')}`);
}
