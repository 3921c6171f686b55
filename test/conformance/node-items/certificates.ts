import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { FakeCa, newRoot } from '#test/fake-manager/ca.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import type { Netd } from '#test/hosts/netd.ts';
import { clusterOf, MANAGER_PORT, type Swarm, swarmOf } from '#test/hosts/swarm.ts';
import { usePart } from '../bed-part.ts';
import {
  inspectNode,
  listedAs,
  nextBeat,
  nodeIdOf,
  PATIENCE,
  problemCodes,
  ready,
  statesSince,
  statusOf,
  statusWith,
} from '../both-sides.ts';
import { item } from '../items.ts';
import type { NodeBed } from '../node-bed.ts';

const HOUR_MS = 3_600_000;
const EARLY_RENEWAL = ['node', '/opt/netd/test/conformance/early-renewal.ts'];

/** Renewal, rotation of the root, and the end of a certificate. */
export function certificateItems(bed: () => NodeBed): void {
  describe('whose certificates end soon', { concurrent: true }, () => useShortLives(bed));
  describe('whose swarm changes its root', { concurrent: true }, () => useRotations(bed));
}

function useShortLives(bed: () => NodeBed): void {
  const part = usePart(bed);
  const root = newRoot({ notBeforeMs: Date.now() - 10 * 24 * HOUR_MS });
  let swarm: Swarm;

  beforeAll(async () => {
    const { manager } = await part().swarm('m14');
    writeFileSync(manager.path('/run/ca.pem'), root.certificatePem);
    writeFileSync(manager.path('/run/ca-key.pem'), root.key.export({ type: 'pkcs8', format: 'pem' }));
    const ownCa = ['--ca-cert', '/run/ca.pem', '--ca-key', '/run/ca-key.pem'];
    // Managers go on issuing certificates of the lifetime they had, whatever is set, until their root is another.
    await manager.docker('swarm', 'ca', '--rotate', '--quiet', '--cert-expiry', '1h', ...ownCa);
    swarm = await swarmOf(manager);
  });

  test(item(14), async () => {
    const began = Date.now();
    const node = await part().worker('w14', swarm, { command: EARLY_RENEWAL });
    const nodeId = await nodeIdOf(node);
    const { certificates: held } = await statusWith(
      node,
      'has renewed its certificate',
      ({ certificates }) => (certificates?.lastRenewalAttemptAt ?? null) !== null,
    );
    expect(held?.lastRenewalError).toBeNull();
    expect(Date.parse(held?.notAfter ?? '') - Date.parse(held?.notBefore ?? '')).toBe(2 * HOUR_MS);
    expect(held?.serial).not.toBe(serialAtJoin(node));
    expect(await serialOnDisk(node)).toBe(held?.serial);
    await ready(node);
    await nextBeat(node);
    expect(node.log()).not.toContain('session ended');
    expect(await statesSince(swarm.manager, nodeId, began)).toEqual(['ready']);
    await node.stop();
  });

  test('with a certificate that has expired: says so, asks seldom, and joins again', async () => {
    const node = await part().worker('wexpired', swarm);
    const { cluster } = await statusOf(node);
    await node.stop();
    const ca = new FakeCa(cluster.clusterId ?? '', root);
    const past = { notBeforeMs: Date.now() - 3 * HOUR_MS, notAfterMs: Date.now() - HOUR_MS };
    const { certificatePem, keyPem } = ca.issueWithKey(cluster.nodeId ?? '', 'worker', past);
    writeFileSync(node.host.path(`${certificates(node)}.crt`), certificatePem);
    writeFileSync(node.host.path(`${certificates(node)}.key`), keyPem);
    await node.start();
    const status = await statusWith(node, 'has expired', (status) => status.cluster.state === 'certificate-expired');
    expect(problemCodes(status)).toContain('certificate-expired');
    expect(await node.exec(['status'])).toMatchObject({ exitCode: 3, stdout: expect.stringContaining('has expired') });
    const before = attempts(node);
    await new Promise((resolve) => setTimeout(resolve, 15_000)); // what is looked at is how little happens
    expect(attempts(node) - before).toBeLessThanOrEqual(4);

    await node.run(['leave']);
    await node.join(swarm);
    expect(await nodeIdOf(node)).not.toBe(cluster.nodeId);
  });
}

/** One test after the other: a swarm can only change its root once at a time. */
function useRotations(bed: () => NodeBed): void {
  const part = usePart(bed);
  let swarm: Swarm;
  let manager: Host;
  let node: Netd;
  let other: Netd;

  beforeAll(async () => {
    swarm = await part().swarm('m15');
    manager = swarm.manager;
    [node, other] = await Promise.all([part().worker('w15', swarm), part().worker('w17', swarm)]);
  });

  const rotate = () => manager.docker('swarm', 'ca', '--rotate', '--detach');
  const root = async () => (await clusterOf(manager)).TLSInfo.TrustRoot.trim();
  const rotating = async () => (await manager.engine.api().swarmInspect()).RootRotationInProgress;
  const rotated = () => eventually('the rotation is over', async () => !(await rotating()), PATIENCE);
  const rootOnDisk = (of: Netd) =>
    readFileSync(of.host.path(`${of.stateDir}/certificates/swarm-root-ca.crt`), 'utf8').trim();
  const followed = async (of: Netd) => {
    const wanted = await root();
    await eventually('the root on disk is the new one', () => rootOnDisk(of) === wanted, PATIENCE);
    await statusWith(of, 'is done with the rotation', (status) => !problemCodes(status).includes('ca-rotation'));
    await eventually(
      'the manager knows',
      async () => (await inspectNode(manager, await nodeIdOf(of))).Description.TLSInfo.TrustRoot.trim() === wanted,
      PATIENCE,
    );
  };
  const restarts = async (of: Netd) => {
    await of.restart();
    await ready(of);
    await nextBeat(of);
  };

  test(item(15), { concurrent: false }, async () => {
    const before = await root();
    await rotate();
    await rotated();
    expect(await root()).not.toBe(before);
    await followed(node);
    const nodeId = await nodeIdOf(node);
    expect(await manager.docker('node', 'ls', '--format', '{{.ID}} {{.TLSStatus}}')).toContain(`${nodeId} Ready`);
    await restarts(node);
    await listedAs(manager, nodeId, 'ready');
  });

  // The managers have renewed their own certificates in the rotation: those of 20.10 and 26.1 choose no protocol any more.
  test(item(49), { concurrent: false }, async () => {
    expect(await protocolChosen(manager)).toBe(bed().suite === 'sid' ? 'h2' : 'false');
    await restarts(node);
    const late = await part().worker('w49', await swarmOf(manager));
    const lateId = await nodeIdOf(late);
    await late.run(['leave']);
    await manager.docker('node', 'rm', '--force', lateId); // or the next rotation waits for it
  });

  test(item(17), { concurrent: false }, async () => {
    const before = await root();
    await other.stop();
    await rotate();
    const { certificates: held } = await statusWith(node, 'has followed', (status) =>
      problemCodes(status).includes('ca-rotation'),
    );
    expect(held?.rotating).toBe(true);
    await restarts(node); // trusts the old root, and meets a manager certified by the new one
    expect(await rotating()).toBe(true);
    expect(rootOnDisk(node)).toBe(before);

    await other.start();
    await rotated();
    await Promise.all([followed(node), followed(other)]);
    await Promise.all([restarts(node), restarts(other)]);
  });

  test(item(16), { concurrent: false }, async () => {
    const before = await root();
    await rotate();
    await rotate();
    await rotated();
    await rotate();
    await rotated();
    expect(await root()).not.toBe(before);
    await Promise.all([followed(node), followed(other)]);
    await restarts(node);
  });
}

/** How often it has turned to a manager in vain. */
function attempts(node: Netd): number {
  return node
    .log()
    .split('\n')
    .filter((line) => /session ended|not renewed/.test(line)).length;
}

/** Of the certificate the node came into the swarm with, as its log tells. */
function serialAtJoin(node: Netd): string {
  const serial = /"serial":"([0-9A-F]+)".*"this node joined a swarm"/.exec(node.log())?.[1];
  if (serial === undefined) throw new Error(`the log of ${node.name} does not tell of a join`);
  return serial;
}

/** As OpenSSL reads it. */
async function serialOnDisk(node: Netd): Promise<string> {
  const line = await node.host.run(['openssl', 'x509', '-noout', '-serial', '-in', `${certificates(node)}.crt`]);
  return line.replace('serial=', '');
}

/** Path of the certificate and the key, but for their endings. */
function certificates(node: Netd): string {
  return `${node.stateDir}/certificates/swarm-node`;
}

/** What a manager answers to the offer of HTTP/2 (ALPN). */
async function protocolChosen(manager: Host): Promise<string> {
  const program = `
    const options = { host: '${manager.address}', port: ${MANAGER_PORT}, ALPNProtocols: ['h2'], rejectUnauthorized: false };
    const socket = require('node:tls').connect(options, () => {
      console.log(String(socket.alpnProtocol));
      socket.destroy();
    });`;
  return manager.run(['node', '--eval', program]);
}
