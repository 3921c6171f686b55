import { describe, expect, test } from 'vitest';
import { ENGINE_SUITES } from '#test/hosts/engine-roots.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { useSwarm } from './swarm-fixture.ts';
import { joinSwarm, TestWorker } from './worker.ts';

const PATIENCE = { timeoutMs: 60_000 };
/** A swarm can change its root only once at a time; the swarms of all versions do it side by side. */
const IN_TURN = { concurrent: false };

describe.concurrent.each(ENGINE_SUITES)('docker swarm ca --rotate, Debian %s', (suite) => {
  const swarm = useSwarm(suite);
  const begin = () => swarm.manager.docker('swarm', 'ca', '--rotate', '--detach');
  const root = async () => (await swarm.cluster()).TLSInfo.TrustRoot.trim();
  const rotating = async () => (await swarm.cluster()).RootRotationInProgress;
  const rotated = () => eventually('the rotation is over', async () => !(await rotating()), PATIENCE);
  const ready = (worker: TestWorker) =>
    eventually('the node is ready', async () => (await swarm.node(worker.nodeId)).Status.State === 'ready', PATIENCE);
  const trusts = (worker: TestWorker) => Buffer.from(worker.identity.current().rootBundle).toString().trim();
  const followed = (worker: TestWorker) =>
    eventually('the worker trusts the new root', async () => trusts(worker) === (await root()), PATIENCE);

  test('is followed in a session, and again after a restart', IN_TURN, async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    worker.start();
    await ready(worker);
    const oldToken = await swarm.token();
    await begin();
    await rotated();
    await followed(worker);
    expect(worker.identity.state()).toMatchObject({ rotating: false, failures: 0, problems: [] });
    await eventually('the manager has noted the new root', async () => {
      return (await swarm.node(worker.nodeId)).Description.TLSInfo.TrustRoot.trim() === (await root());
    });
    await worker.stop();
    expect(await worker.store.load(Date.now())).toEqual(worker.identity.current());
    worker.start();
    await ready(worker);
    await expect(joinSwarm(swarm.address, oldToken)).rejects.toMatchObject({ code: 'wrong-ca' });
    await swarm.manager.docker('node', 'rm', '--force', worker.nodeId);
  });

  test('twice in a row is followed', IN_TURN, async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    worker.start();
    await ready(worker);
    const before = await root();
    await begin();
    await begin();
    await rotated();
    await begin();
    await rotated();
    await followed(worker);
    expect(trusts(worker)).not.toBe(before);
    await swarm.manager.docker('node', 'rm', '--force', worker.nodeId);
  });

  test('waits for a worker that is away; meanwhile others join', IN_TURN, async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    await begin();
    await using late = await TestWorker.join(swarm.address, await swarm.token());
    expect(late.identity.state()).toMatchObject({ rotating: true, extraAnchorFingerprints: [expect.any(String)] });
    late.start();
    await ready(late);
    expect(await rotating()).toBe(true);
    worker.start();
    await rotated();
    await Promise.all([followed(worker), followed(late)]);
    for (const { nodeId } of [worker, late]) await swarm.manager.docker('node', 'rm', '--force', nodeId);
  });

  test.each(['session', 'renewal'])('whose end a worker has missed is caught up with by a %s', IN_TURN, async (way) => {
    await using away = await TestWorker.join(swarm.address, await swarm.token());
    await using last = await TestWorker.join(swarm.address, await swarm.token());
    away.start();
    await begin();
    await eventually('the worker has a certificate of the new CA', () => away.identity.state().rotating, PATIENCE);
    const issuer = Buffer.from(away.identity.current().issuer.publicKeyDer).toString('base64');
    await eventually('the manager knows', async () => {
      return (await swarm.node(away.nodeId)).Description.TLSInfo.CertIssuerPublicKey === issuer;
    });
    await away.stop();
    last.start();
    await rotated();
    expect(trusts(away)).not.toBe(await root());

    if (way === 'session') away.start();
    else {
      const stop = new AbortController();
      const running = away.identity.run(stop.signal);
      away.identity.renewNow('test');
      await followed(away);
      await eventually('the renewal is done', () => away.identity.state().renewalWanted === undefined);
      stop.abort(new Error('enough'));
      await running;
      expect(away.identity.state()).toMatchObject({ failures: 0, problems: [] });
    }
    await followed(away);
    // Who uses the store is alone with it: what a restart would find is read after the stop.
    await away.stop();
    expect(await away.store.load(Date.now())).toEqual(away.identity.current());
    for (const { nodeId } of [away, last]) await swarm.manager.docker('node', 'rm', '--force', nodeId);
  });
});
