import { status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { seededRandom } from '#base/random.ts';
import { FakeCa, type LeafSpec, newRoot } from '#test/fake-manager/ca.ts';
import { FakeCaServices } from '#test/fake-manager/ca-services.ts';
import { FakeManager } from '#test/fake-manager/server.ts';
import { VirtualClock } from '#test/fake-manager/virtual-clock.ts';
import { type Credentials, parseCredentials } from './credentials.ts';
import { type IdentityChange, NodeIdentity } from './identity.ts';
import { Remotes } from './remotes.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A disk that takes everything unless told otherwise. */
class FakeStore {
  saved: string[] = [];
  full = false;
  readonly saveRenewed = async ({ serial }: Credentials) => this.#save(`certificate ${serial}`);
  readonly saveRoot = async ({ rootBundle }: Credentials) => this.#save(`root of ${rootBundle.length} bytes`);

  async #save(what: string): Promise<void> {
    if (this.full) throw new NetdError('state-unwritable', 'no space left on device', { mend: 'Make room.' });
    this.saved.push(what);
  }
}

let scope: AsyncDisposableStack;
let ca: FakeCa;
let services: FakeCaServices;
let manager: FakeManager;
let clock: VirtualClock;
let store: FakeStore;
let remotes: Remotes;
let logged: string[];
let identity: NodeIdentity;
let changes: IdentityChange[];

/** A node of the swarm, as if it had joined just now; its renewal loop is not running yet. */
function joinNode(overrides: Partial<LeafSpec> = {}, atMs = Date.now()): void {
  const id = 'n0de';
  services.nodes.set(id, { id, role: 'worker', availability: 0, csr: new Uint8Array(), certificatePem: '' });
  const credentials = parseCredentials(
    { rootBundle: ca.rootBundle, ...ca.issueWithKey(id, 'worker', overrides) },
    atMs,
  );
  remotes = new Remotes(seededRandom(1), [{ nodeId: 'm', addr: manager.address }]);
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  identity = new NodeIdentity({ credentials, store, remotes, clock, random: seededRandom(2), log });
  identity.onChange((change) => changes.push(change));
}

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  ca = new FakeCa('c', newRoot({ notBeforeMs: Date.now() - 100 * DAY }));
  services = new FakeCaServices(ca);
  manager = scope.use(await FakeManager.listen(ca, services.services()));
  clock = new VirtualClock();
  clock.epochMs = Date.now(); // TLS and the fake CA go by the real date
  store = new FakeStore();
  logged = [];
  changes = [];
  joinNode();
});
afterEach(() => scope.disposeAsync());

/** Starts the renewal loop; it ends with the test. */
function run(): void {
  const controller = new AbortController();
  const running = identity.run(controller.signal);
  scope.defer(async () => {
    controller.abort(new Error('test over'));
    await running;
  });
}
/** Until that many attempts to renew have ended, moving the time only when the loop sleeps. */
async function attempts(count: number, stepMs = HOUR): Promise<void> {
  for (let seen = identity.state().lastAttempt, done = 0; done < count; ) {
    await clock.advance(stepMs);
    await vi.waitFor(() => expect(clock.sleepers.length).toBeGreaterThan(0));
    const { lastAttempt } = identity.state();
    if (lastAttempt !== seen) done += 1;
    seen = lastAttempt;
  }
}
const issues = () => services.calls.filter(({ method }) => method === 'issue');

describe('a renewal in time', () => {
  test('happens at the drawn moment, over mutual TLS, without a token', async () => {
    const { notBeforeMs, notAfterMs, serial } = identity.current();
    run();
    const { nextRenewalAtMs = 0 } = identity.state();
    const part = (nextRenewalAtMs - notBeforeMs) / (notAfterMs - notBeforeMs);
    expect(part).toBeGreaterThanOrEqual(0.5);
    expect(part).toBeLessThan(0.8);

    await clock.advance(nextRenewalAtMs - clock.now() - MINUTE);
    expect(issues()).toEqual([]);
    await attempts(1, MINUTE);
    expect(issues()).toEqual([{ method: 'issue', token: '', caller: 'n0de' }]);
    expect(identity.current().serial).not.toBe(serial);
    expect(store.saved).toEqual([`certificate ${identity.current().serial}`]);
    expect(changes).toEqual([{ credentials: identity.current(), tlsInfoChanged: false }]);
    expect(identity.state()).toMatchObject({
      failures: 0,
      problems: [],
      lastAttempt: { reason: 'it is due', error: undefined },
    });
    expect(identity.state().nextRenewalAtMs).toBeGreaterThan(nextRenewalAtMs);
  });

  test('never sleeps longer than an hour, so that a clock that jumps is noticed', async () => {
    run();
    expect(clock.sleepers.map(({ ms }) => ms)).toEqual([HOUR]);
    clock.epochMs += 75 * DAY;
    await attempts(1);
    expect(issues()).toHaveLength(1);
  });

  test('uses a new key each time', async () => {
    run();
    const first = identity.current().keyPem;
    identity.renewNow('test');
    await attempts(1, 500);
    expect(identity.current().keyPem).not.toBe(first);
  });
});

describe('renewNow', () => {
  test('renews after half a second; wishes made before that are one', async () => {
    run();
    identity.renewNow('first');
    await clock.sleeping(({ ms }) => ms === 500);
    await clock.advance(300);
    identity.renewNow('second');
    expect(identity.state().renewalWanted).toBe('second');
    await attempts(1, 200);
    expect(issues()).toHaveLength(1);
    expect(identity.state()).toMatchObject({ renewalWanted: undefined, lastAttempt: { reason: 'second' } });
  });

  test('a wish made while a renewal is under way gets one of its own', async () => {
    run();
    identity.renewNow('first');
    services.onCall = ({ method }) => {
      if (method === 'issue' && issues().length === 1) identity.renewNow('second');
    };
    await attempts(2, 500);
    expect(issues()).toHaveLength(2);
    expect(identity.state()).toMatchObject({ renewalWanted: undefined, lastAttempt: { reason: 'second' } });
  });

  test('is repeated with growing pauses until it succeeds', async () => {
    services.faults.errors = { count: 10, code: status.UNAVAILABLE, details: 'no leader' };
    run();
    identity.renewNow('test');
    await attempts(1, 500);
    expect(identity.state()).toMatchObject({
      failures: 1,
      renewalWanted: 'test',
      lastAttempt: { error: expect.stringContaining('no leader') },
    });
    expect(identity.state().problems[0]).toContain('no leader');
    expect(clock.sleepers[0]?.ms).toBeLessThan(10_000);
    await attempts(1, 10_000);
    expect(identity.state().failures).toBe(2);
    await attempts(1, 15_000);
    expect(identity.state()).toMatchObject({ failures: 0, problems: [], renewalWanted: undefined });
    expect(issues()).toHaveLength(11); // five for each attempt, then one
  });
});

describe('a renewal that fails', () => {
  const failure = async () => {
    const before = identity.current();
    identity.renewNow('test');
    run();
    await attempts(1, 500);
    expect(identity.current()).toBe(before);
    expect(changes).toEqual([]);
    return identity.state().lastAttempt;
  };
  test('for a full disk', async () => {
    store.full = true;
    expect(await failure()).toMatchObject({ error: 'no space left on device', mend: 'Make room.' });
    store.full = false;
    await attempts(1, 10_000);
    expect(identity.state().failures).toBe(0);
  });
  test.each([
    ['and is on the list of the removed', () => services.removed.add('n0de')],
    ['and is forgotten', () => services.nodes.delete('n0de')],
  ])('for a node that was removed %s', async (_name, remove) => {
    remove();
    expect(await failure()).toMatchObject({
      error: expect.stringContaining('removed from the swarm'),
      mend: expect.any(String),
    });
    expect(issues()).toHaveLength(1); // definite: no use in asking again at once
  });
  test('for a manager that is gone', async () => {
    await manager[Symbol.asyncDispose]();
    expect(await failure()).toMatchObject({ error: expect.stringContaining('connection was refused') });
  });
  test('for a certificate of another node', async () => {
    services.faults.leaf = { nodeId: 'other' };
    expect(await failure()).toMatchObject({ error: expect.stringContaining('for node other') });
  });
  test('for a certificate of an unknown CA, when the manager still has the same root', async () => {
    services.faults.leaf = { signer: newRoot() };
    expect(await failure()).toMatchObject({ error: expect.stringContaining('not signed by the trusted root') });
    expect(store.saved).toEqual([]);
  });
});

describe('a change of the root CA', () => {
  test('is followed: certificate of the new CA, then the new root', async () => {
    run();
    const oldRoot = ca.rootBundle;
    ca.beginRotation();
    manager.renewCertificate();
    identity.renewNow('the manager asks for it');
    await attempts(1, 500);
    expect(changes.map(({ tlsInfoChanged }) => tlsInfoChanged)).toEqual([true]);
    expect(identity.state()).toMatchObject({ rotating: true, extraAnchorFingerprints: [expect.any(String)] });
    expect(await identity.offerRoot(oldRoot)).toBe('same');

    ca.finishRotation();
    manager.renewCertificate();
    expect(await identity.offerRoot(ca.rootBundle)).toBe('adopted');
    expect(changes.map(({ tlsInfoChanged }) => tlsInfoChanged)).toEqual([true, true]);
    expect(Buffer.from(identity.current().rootBundle)).toEqual(ca.rootBundle);
    expect(identity.state()).toMatchObject({ rotating: false, extraAnchorFingerprints: [] });
    expect(store.saved).toHaveLength(2);

    identity.renewNow('test'); // and the new root serves
    await attempts(1, 500);
    expect(identity.state().failures).toBe(0);
  });

  test('twice, the second before the first has ended', async () => {
    run();
    for (let round = 0; round < 2; round++) {
      ca.beginRotation();
      manager.renewCertificate();
      identity.renewNow('the manager asks for it');
      await attempts(1, 500);
    }
    ca.finishRotation();
    expect(await identity.offerRoot(ca.rootBundle)).toBe('adopted');
  });

  test('whose end was missed is caught up with by a renewal', async () => {
    ca.beginRotation();
    joinNode(); // has a certificate of the new CA and trusts the old root
    ca.finishRotation();
    manager.renewCertificate();
    run();
    identity.renewNow('test');
    await attempts(1, 500);
    expect(identity.state()).toMatchObject({ failures: 0, problems: [] });
    expect(Buffer.from(identity.current().rootBundle)).toEqual(ca.rootBundle);
    expect(store.saved.map((what) => what.split(' ')[0])).toEqual(['root', 'certificate']);
  });

  test.each([
    ['a root this node is not certified by', () => new FakeCa().rootBundle],
    ['no root at all', () => Buffer.from('hello')],
    ['an expired root', () => Buffer.from(newRoot({ notAfterMs: Date.now() - HOUR }).certificatePem)],
  ])('to %s is not followed, and logged once', async (_name, bundle) => {
    const offered = bundle();
    const before = identity.current();
    expect(await identity.offerRoot(offered)).toBe('refused');
    expect(await identity.offerRoot(offered)).toBe('refused');
    expect(identity.current()).toBe(before);
    expect(store.saved).toEqual([]);
    expect(logged).toHaveLength(1);
  });

  test('that says nothing changes nothing', async () => {
    expect(await identity.offerRoot(new Uint8Array())).toBe('same');
  });

  test('that cannot be saved waits for the next offer', async () => {
    const bundle = Buffer.concat([ca.rootBundle, new FakeCa().rootBundle]);
    store.full = true;
    expect(await identity.offerRoot(bundle)).toBe('not-saved');
    expect(changes).toEqual([]);
    store.full = false;
    const offers = [identity.offerRoot(bundle), identity.offerRoot(bundle)];
    expect(await Promise.all(offers)).toEqual(['adopted', 'same']);
    expect(changes).toHaveLength(1);
  });
});

test("a renewal that brings a manager's certificate is taken, and shows", async () => {
  const node = services.nodes.get('n0de');
  if (!node) throw new Error('no node');
  node.role = 'manager';
  run();
  identity.renewNow('test');
  await attempts(1, 500);
  expect(identity.state()).toMatchObject({
    role: 'manager',
    problems: [expect.stringContaining('docker node rm --force n0de')],
  });
  expect(logged.join('')).toContain('worker only');
});

describe('an expired certificate', () => {
  test('is tried again and again, slower and slower, and said to be the end', async () => {
    joinNode({ notBeforeMs: Date.now() - 3 * HOUR, notAfterMs: Date.now() - HOUR }, Date.now() - 2 * HOUR);
    expect(identity.state()).toMatchObject({
      expired: true,
      problems: [expect.stringContaining('Leave the swarm and join again')],
    });
    run();
    await attempts(1, 100);
    expect(identity.state().lastAttempt).toMatchObject({
      reason: 'it has expired',
      error: expect.stringContaining('expired at'),
    });
    await attempts(7);
    expect(identity.state().failures).toBe(8);
    expect(issues()).toEqual([]);
  });

  test('is renewed after all when the manager takes it', async () => {
    clock.epochMs += 100 * DAY; // our clock is what is wrong
    expect(identity.state().expired).toBe(true);
    services.faults.leaf = { notAfterMs: Date.now() + 300 * DAY };
    run();
    await attempts(1, 100);
    expect(identity.state()).toMatchObject({ expired: false, problems: [] });
  });

  test('and one of the future are told apart', () => {
    clock.epochMs -= 10 * DAY;
    expect(identity.state()).toMatchObject({
      expired: false,
      notYetValid: true,
      problems: [expect.stringContaining('Check the clock')],
    });
  });
});

test('the state is frozen, and holds no secret', () => {
  const state = identity.state();
  expect(Object.isFrozen(state)).toBe(true);
  expect(JSON.stringify(state)).not.toContain('PRIVATE');
  expect(state).toMatchObject({
    nodeId: 'n0de',
    clusterId: 'c',
    role: 'worker',
    issuer: 'CN=swarm-ca',
    rootFingerprints: [expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)],
    nextRenewalAtMs: undefined,
  });
});
