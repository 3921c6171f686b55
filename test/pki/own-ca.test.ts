import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseCredentials } from '#pki/credentials.ts';
import { dialManager } from '#pki/dial.ts';
import { FakeCa, newRoot } from '#test/fake-manager/ca.ts';
import { ENGINE_SUITES } from '#test/hosts/engine-roots.ts';
import { eventually } from '#test/hosts/eventually.ts';
import { FakeCfssl } from './fake-cfssl.ts';
import { SWITCH_NAME, useSwarm } from './swarm-fixture.ts';
import { TestWorker } from './worker.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const PATIENCE = { timeoutMs: 60_000 };
const CFSSL_PORT = 8888;
/** A swarm can change its root only once at a time; the swarms of all versions do it side by side. */
const IN_TURN = { concurrent: false };

describe.concurrent.each(ENGINE_SUITES)("a CA of the operator's own, Debian %s", (suite) => {
  const swarm = useSwarm(suite);
  const follow = async (worker: TestWorker, root: Buffer) => {
    const trusted = () =>
      Buffer.from(worker.identity.current().rootBundle).toString().trim() === root.toString().trim();
    await eventually('the worker trusts the new root', trusted, PATIENCE);
  };

  test('with a key the swarm holds: followed; an expired certificate is named', IN_TURN, async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    const { clusterId } = worker.identity.current();
    worker.start();
    const root = newRoot({ name: { o: 'ACME', cn: 'Swarm Root' }, notBeforeMs: Date.now() - 10 * DAY });
    const ca = new FakeCa(clusterId, root);
    writeFileSync(swarm.manager.path('/run/ca.pem'), root.certificatePem);
    writeFileSync(swarm.manager.path('/run/ca-key.pem'), root.key.export({ type: 'pkcs8', format: 'pem' }));
    const files = ['--ca-cert', '/run/ca.pem', '--ca-key', '/run/ca-key.pem'];
    await swarm.manager.docker('swarm', 'ca', '--rotate', '--detach', ...files);
    await follow(worker, ca.rootBundle);
    expect(worker.identity.state().issuer).toBe('O=ACME, CN=Swarm Root');

    const past = { notBeforeMs: Date.now() - 3 * HOUR, notAfterMs: Date.now() - HOUR };
    const parts = { rootBundle: ca.rootBundle, ...ca.issueWithKey(worker.nodeId, 'worker', past) };
    const expired = parseCredentials(parts, Date.now() - 2 * HOUR);
    const target = { address: swarm.address, serverName: 'swarm-manager', rootBundle: ca.rootBundle } as const;
    await expect(dialManager({ ...target, credentials: expired }, { timeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'certificate-expired',
      mend: expect.stringContaining('join again'),
    });
    const foreign = parseCredentials(
      { ...parts, ...ca.issueWithKey(worker.nodeId, 'worker', { organization: 'other' }) },
      Date.now(),
    );
    await expect(dialManager({ ...target, credentials: foreign }, { timeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'other-cluster',
    });
    await worker.stop();
    await swarm.manager.docker('node', 'rm', '--force', worker.nodeId);
  });

  test('outside the swarm: followed, waited for while it is in trouble, and used to join', IN_TURN, async () => {
    await using worker = await TestWorker.join(swarm.address, await swarm.token());
    worker.start();
    const ca = new FakeCa(worker.identity.current().clusterId);
    const socketPath = join(swarm.bed.scratch, 'cfssl.sock');
    await using cfssl = await FakeCfssl.listen(ca, SWITCH_NAME, socketPath);
    await swarm.bed.switch.expose(socketPath, CFSSL_PORT);
    writeFileSync(swarm.manager.path('/run/external.pem'), ca.rootBundle);
    const url = `https://${SWITCH_NAME}:${CFSSL_PORT}/api/v1/cfssl/sign`;
    const external = [
      '--ca-cert',
      '/run/external.pem',
      '--external-ca',
      `protocol=cfssl,url=${url},cacert=/run/external.pem`,
    ];
    await swarm.manager.docker('swarm', 'ca', '--rotate', '--detach', ...external);
    await follow(worker, ca.rootBundle);
    expect(cfssl.signed).toBeGreaterThan(0);

    // A certificate that is on its way would change the number as well.
    await eventually(
      'nothing is renewed any more',
      async () =>
        !(await swarm.cluster()).RootRotationInProgress && worker.identity.state().renewalWanted === undefined,
      PATIENCE,
    );
    cfssl.working = false;
    const { serial } = worker.identity.current();
    worker.identity.renewNow('test');
    await eventually('the request has got as far as the CA', () => cfssl.refused > 0, PATIENCE);
    expect(worker.identity.current().serial).toBe(serial);
    cfssl.working = true;
    await eventually('the certificate is another', () => worker.identity.current().serial !== serial, PATIENCE);

    await using second = await TestWorker.join(swarm.address, await swarm.token());
    expect(Buffer.from(second.identity.current().rootBundle).toString().trim()).toBe(ca.rootBundle.toString().trim());
  });
});
