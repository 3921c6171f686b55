import { describe, expect, test } from 'vitest';
import { dialManager, downloadRootBundle } from '#pki/dial.ts';
import { FakeCa } from '#test/fake-manager/ca.ts';
import { ENGINE_SUITES } from '#test/hosts/engine-roots.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { useSwarm } from './swarm-fixture.ts';
import { joinSwarm, TestWorker } from './worker.ts';

const LIMITS = { timeoutMs: 5_000 };

describe.each(ENGINE_SUITES)('a swarm of Debian %s', (suite) => {
  const swarm = useSwarm(suite);

  test('takes a node with a worker token', async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    const { nodeId, clusterId, role, rootBundle, issuer } = worker.identity.current();
    expect(role).toBe('worker');
    expect(clusterId).toBe((await swarm.cluster()).ID);
    expect(Buffer.from(rootBundle).toString().trim()).toBe((await swarm.cluster()).TLSInfo.TrustRoot.trim());
    expect(await swarm.nodeIds()).toContain(nodeId);
    expect((await swarm.node(nodeId)).Spec).toMatchObject({ Role: 'worker', Availability: 'active' });

    worker.start();
    await eventually('the node is ready', async () => (await swarm.node(nodeId)).Status.State === 'ready');
    expect((await swarm.node(nodeId)).Description.TLSInfo).toEqual({
      TrustRoot: Buffer.from(rootBundle).toString(),
      CertIssuerSubject: Buffer.from(issuer.subjectDer).toString('base64'),
      CertIssuerPublicKey: Buffer.from(issuer.publicKeyDer).toString('base64'),
    });
    const tls = await swarm.manager.docker('node', 'ls', '--format', '{{.ID}} {{.TLSStatus}}');
    expect(tls.split('\n')).toContain(`${nodeId} Ready`);
  });

  test('takes it drained', async () => {
    const { nodeId } = await joinSwarm(swarm.address, await swarm.token(), { availability: 'drain' });
    expect((await swarm.node(nodeId)).Spec.Availability).toBe('drain');
  });

  test('does not see a token that names another root', async () => {
    const before = await swarm.nodeIds();
    const token = await swarm.token();
    const [, , digest = '', secret = ''] = token.split('-');
    const wrong = digest.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    await expect(joinSwarm(swarm.address, `SWMTKN-1-${wrong}-${secret}`)).rejects.toMatchObject({ code: 'wrong-ca' });
    expect(await swarm.nodeIds()).toEqual(before);
  });

  test('refuses a token that was rotated away, once and for all', async () => {
    const before = await swarm.nodeIds();
    const token = await swarm.token();
    await swarm.manager.docker('swarm', 'join-token', '--rotate', '--quiet', 'worker');
    const started = performance.now();
    await expect(joinSwarm(swarm.address, token)).rejects.toMatchObject({ code: 'token-refused' });
    expect(performance.now() - started).toBeLessThan(1_900); // no second attempt
    expect(await swarm.nodeIds()).toEqual(before);
  });

  test('makes an entry for a manager token, which can be removed as the error says', async () => {
    const error = await joinSwarm(swarm.address, await swarm.token('manager')).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'manager-token' });
    const [, removal = ''] = /(docker node rm --force \w+)/.exec(JSON.stringify(error)) ?? [];
    await swarm.manager.run(removal.split(' '));
    expect(await swarm.nodeIds()).not.toContain(removal.split(' ').at(-1));
  });

  test('renews a certificate over the old one, and goes on with the session', async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    worker.start();
    const { serial } = worker.identity.current();
    worker.identity.renewNow('test');
    await eventually('the certificate is another', () => worker.identity.current().serial !== serial);
    expect(worker.identity.state()).toMatchObject({ role: 'worker', failures: 0, problems: [] });
    expect(await worker.store.load(Date.now())).toEqual(worker.identity.current());
    await worker.stop();
    worker.start();
    await eventually('the node is ready', async () => (await swarm.node(worker.nodeId)).Status.State === 'ready');
  });

  test('promoted, the node stays what it is; its next certificate says otherwise, and there is a way back', async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    worker.start();
    await swarm.manager.docker('node', 'promote', worker.nodeId);
    await eventually('the manager has noted it', async () => {
      return (await swarm.node(worker.nodeId)).Spec.Role === 'manager';
    });
    expect(worker.identity.current().role).toBe('worker');
    worker.identity.renewNow('the certificate is due');
    await eventually('the certificate says manager', () => worker.identity.current().role === 'manager');
    expect((await swarm.node(worker.nodeId)).Status.State).toBe('ready');

    // What the state tells the operator to do, and why not the obvious thing.
    await expect(swarm.manager.docker('node', 'demote', worker.nodeId)).rejects.toThrow(
      "can't find manager in raft memberlist",
    );
    const [removal = ''] = /docker node rm --force \w+/.exec(worker.identity.state().problems.join()) ?? [];
    await worker.stop();
    await swarm.manager.run(removal.split(' '));
    expect(await swarm.nodeIds()).not.toContain(worker.nodeId);
  });

  test('removed, the node learns it when it renews', async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    await swarm.manager.docker('node', 'rm', '--force', worker.nodeId);
    worker.start();
    worker.identity.renewNow('test');
    await eventually('the renewal has failed', () => worker.identity.state().failures > 0);
    expect(worker.identity.state().lastAttempt).toMatchObject({
      error: expect.stringContaining('was removed from the swarm'),
    });
  });

  test('refuses a certificate of another swarm, and says so', async () => {
    const credentials = await joinSwarm(swarm.address, await swarm.token());
    const foreign = { ...credentials, ...new FakeCa(credentials.clusterId).issueWithKey(credentials.nodeId, 'worker') };
    const { rootBundle } = credentials;
    const target = { address: swarm.address, serverName: 'swarm-manager', rootBundle, credentials: foreign } as const;
    await expect(dialManager(target, LIMITS)).rejects.toMatchObject({ code: 'certificate-refused' });
  });

  test('is not mistaken for ours', async () => {
    const ours = new FakeCa();
    const target = { address: swarm.address, serverName: 'swarm-ca', rootBundle: ours.rootBundle } as const;
    await expect(dialManager(target, LIMITS)).rejects.toMatchObject({ code: 'wrong-ca' });
    expect(Buffer.from(await downloadRootBundle(swarm.address, LIMITS)).toString()).toContain('BEGIN CERTIFICATE');
  });
});
