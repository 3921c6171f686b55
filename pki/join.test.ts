import { status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '#base/random.ts';
import { NodeSpec_Availability } from '#proto/gen/swarmkit/types_pb.js';
import { FakeCa, newRoot } from '#test/fake-manager/ca.ts';
import { FakeCaServices } from '#test/fake-manager/ca-services.ts';
import { EagerClock } from '#test/fake-manager/eager-clock.ts';
import { FakeManager } from '#test/fake-manager/server.ts';
import { type JoinOptions, type JoinProgress, joinCluster } from './join.ts';
import { Remotes } from './remotes.ts';
import { parseJoinToken } from './token.ts';

const HOUR = 3_600_000;
/** Nothing listens on port 1 of loopback. */
const DEAD = '127.0.0.1:1';

let scope: AsyncDisposableStack;
let ca: FakeCa;
let services: FakeCaServices;
let manager: FakeManager;
let clock: EagerClock;
let remotes: Remotes;
let logged: string[];

async function start(withCa = new FakeCa()): Promise<void> {
  ca = withCa;
  services = new FakeCaServices(ca);
  manager = scope.use(await FakeManager.listen(ca, services.services()));
}
beforeEach(async () => {
  scope = new AsyncDisposableStack();
  clock = new EagerClock();
  remotes = new Remotes(seededRandom(1));
  logged = [];
  await start();
});
afterEach(() => scope.disposeAsync());

const join = (overrides: Partial<JoinOptions> = {}, signal = new AbortController().signal) => {
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  const token = parseJoinToken(ca.token('worker'));
  const base = {
    token,
    addresses: [manager.address],
    availability: 'active',
    remotes,
    clock,
    random: seededRandom(2),
    log,
  } as const;
  return joinCluster({ ...base, ...overrides }, signal);
};
const methods = () => services.calls.map(({ method }) => method);

describe('joinCluster', () => {
  test('becomes a node of the swarm', async () => {
    const credentials = await join();
    const [node] = services.nodes.values();
    expect(credentials).toMatchObject({ nodeId: node?.id, clusterId: ca.clusterId, role: 'worker' });
    expect(Buffer.from(credentials.rootBundle)).toEqual(ca.rootBundle);
    expect(node).toMatchObject({ role: 'worker', availability: NodeSpec_Availability.ACTIVE });
    expect(methods()).toEqual(['root', 'issue', 'status']);
    expect(manager.connections).toBe(2);
    expect(clock.slept).toEqual([]);
    expect(remotes.weights()).toEqual([{ nodeId: '', addr: manager.address, weight: 8 }]);
  });

  test('asks for the availability it is given', async () => {
    await join({ availability: 'drain' });
    await join({ availability: 'pause' });
    const given = [...services.nodes.values()].map(({ availability }) => availability);
    expect(given).toEqual([NodeSpec_Availability.DRAIN, NodeSpec_Availability.PAUSE]);
  });

  test('takes a token of version 2', async () => {
    await join({ token: parseJoinToken(ca.token('worker', 2)) });
    await join({ token: parseJoinToken(ca.token('worker', 2, true)), fips: true });
    expect(services.nodes.size).toBe(2);
  });

  test('tells how far it has come', async () => {
    services.faults.errors = { count: 1, code: status.UNAVAILABLE, details: 'no leader' };
    const told: JoinProgress[] = [];
    await join({ onProgress: (progress) => told.push(progress) });
    const address = manager.address;
    expect(told).toEqual([
      { step: 'root-ca', attempt: 1, address, lastError: null },
      { step: 'certificate', attempt: 1, address, lastError: null },
      { step: 'certificate', attempt: 1, address, lastError: expect.stringContaining('no leader') },
      { step: 'certificate', attempt: 2, address, lastError: expect.stringContaining('no leader') },
    ]);
  });

  test('logs neither token nor key', async () => {
    services.faults.errors = { count: 1, code: status.UNAVAILABLE, details: 'no leader' };
    const { keyPem } = await join();
    expect(logged.join('')).toContain('no leader');
    expect(logged.join('')).not.toContain(ca.token('worker').slice(-25));
    expect(logged.join('')).not.toContain(keyPem.split('\n')[1]);
  });

  test('during a root rotation, with the token of the old root', async () => {
    ca.beginRotation();
    manager.renewCertificate();
    expect((await join()).certificatePem.match(/BEGIN/g)).toHaveLength(2);
  });
});

describe('joinCluster fails', () => {
  const expectError = (work: Promise<unknown>, code: string, text: string) =>
    expect(work).rejects.toMatchObject({ code, message: expect.stringContaining(text) });

  test('before anything with a FIPS token on a runtime without FIPS', async () => {
    await expectError(
      join({ token: parseJoinToken(ca.token('worker', 2, true)) }),
      'fips-required',
      'cluster requires FIPS',
    );
    expect(manager.connections).toBe(0);
  });
  test('with a FIPS swarm whose token does not say so', async () => {
    await start(new FakeCa('FIPS.abc'));
    await expectError(join(), 'fips-required', 'cluster requires FIPS');
  });
  test('before anything with an address that is none', async () => {
    await expectError(join({ addresses: [manager.address, 'tcp://x'] }), 'bad-address', 'tcp://x');
    expect(manager.connections).toBe(0);
  });
  test('without showing the token to a swarm that is not the one it names', async () => {
    const token = parseJoinToken(new FakeCa().token('worker'));
    await expectError(join({ token }), 'wrong-ca', token.digestHex);
    expect(methods()).toEqual(['root']);
    expect(clock.slept).toEqual([]); // it would say the same again
  });
  test('without showing the token to a server that hands out the right root without being certified by it', async () => {
    const right = new FakeCa();
    services.faults.rootBundle = right.rootBundle;
    await expectError(join({ token: parseJoinToken(right.token('worker')) }), 'wrong-ca', 'not certified');
    expect(methods()).not.toContain('issue');
  });
  test('once and for all with a token that is no longer current', async () => {
    const token = parseJoinToken(ca.token('worker'));
    ca.rotateTokens();
    await expect(join({ token })).rejects.toMatchObject({
      code: 'token-refused',
      mend: expect.stringContaining('join-token worker'),
    });
    expect(methods()).toEqual(['root', 'issue']);
    expect(services.nodes.size).toBe(0);
  });
  test('with a manager token, naming the entry it has left', async () => {
    const joining = join({ token: parseJoinToken(ca.token('manager')) });
    await expectError(joining, 'manager-token', 'netd is a worker only');
    await expect(joining).rejects.toMatchObject({ mend: expect.stringContaining([...services.nodes.keys()].join()) });
  });
  test('when the root has expired', async () => {
    await start(new FakeCa('c', newRoot({ notBeforeMs: Date.now() - 9 * HOUR, notAfterMs: Date.now() - HOUR })));
    await expectError(join(), 'bad-root', 'expired');
    expect(methods()).toEqual(['root']);
  });
  test('when the CA refuses to sign', async () => {
    services.faults.failWith = 'the signer is out of ink';
    await expectError(join(), 'certificate-not-issued', 'out of ink');
    expect(methods()).toEqual(['root', 'issue', 'status']);
  });
  test('when the certificate is of another CA', async () => {
    services.faults.leaf = { signer: newRoot() };
    await expectError(join(), 'unknown-authority', 'not signed by the trusted root');
  });
  test('when the certificate has expired', async () => {
    services.faults.leaf = { notBeforeMs: Date.now() - 2 * HOUR, notAfterMs: Date.now() - HOUR };
    await expectError(join(), 'certificate-expired', 'expired');
  });
  test('when the certificate is for another key', async () => {
    services.faults.leaf = { publicKey: newRoot().key };
    await expectError(join(), 'key-mismatch', 'does not belong');
  });
  test('when the answers are never for this request', async () => {
    services.faults.foreignAnswers = 1000;
    await expectError(join(), 'certificate-not-issued', 'answers another request');
  });
  test('when nobody is there, after five attempts', async () => {
    await expectError(join({ addresses: [DEAD] }), 'manager-unreachable', DEAD);
    expect(clock.slept).toEqual([2000, 2000, 2000, 2000]);
  });
  test('when the request is not taken, after five attempts', async () => {
    services.faults.errors = { count: 100, code: status.ABORTED, details: 'CA signer is stopped' };
    await expect(join()).rejects.toMatchObject({ code: status.ABORTED });
    expect(methods()).toEqual(['root', 'issue', 'issue', 'issue', 'issue', 'issue']);
  });
  test('when told to stop, at once', async () => {
    const controller = new AbortController();
    const reason = new Error('Ctrl-C');
    services.onCall = ({ method }) => method === 'issue' && controller.abort(reason);
    await expect(join({}, controller.signal)).rejects.toBe(reason);
  });
});

describe('joinCluster goes on', () => {
  test('to another manager, past a dead one and one of another swarm', async () => {
    const other = new FakeCa();
    const stranger = scope.use(await FakeManager.listen(other, new FakeCaServices(other).services()));
    for (let seed = 0; seed < 5; seed++) {
      remotes = new Remotes(seededRandom(seed));
      const { clusterId } = await join({ addresses: [DEAD, stranger.address, manager.address] });
      expect(clusterId).toBe(ca.clusterId);
    }
  });
  test('until the certificate is signed', async () => {
    services.faults.pendingPolls = 8;
    await join();
    expect(methods().filter((method) => method === 'status')).toHaveLength(9);
    expect(clock.slept).toHaveLength(8);
    for (const [index, ms] of clock.slept.entries())
      expect(ms).toBeLessThan(Math.min(30_000, 1000 + 1000 * 2 ** index));
  });
  test('until the manager has taken note of the request', async () => {
    services.faults.foreignAnswers = 3;
    await join();
    expect(methods().filter((method) => method === 'status')).toHaveLength(4);
  });
  test('with the same node id when the manager is lost while waiting', async () => {
    services.faults.pendingPolls = 1;
    services.onCall = ({ method }) => {
      if (method === 'status' && manager.connections === 2) manager.dropConnections();
    };
    await join();
    expect(services.nodes.size).toBe(1);
    expect(methods().filter((method) => method === 'issue')).toHaveLength(1);
    expect(manager.connections).toBeGreaterThan(2);
  });
  test('after a manager without a leader', async () => {
    services.faults.errors = { count: 2, code: status.UNKNOWN, details: 'The swarm does not have a leader' };
    await join();
    expect(clock.slept).toEqual([2000, 2000]);
  });
});
