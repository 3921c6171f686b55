import { createServer as createHttpServer } from 'node:http';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CA } from '#proto/gen/swarmkit/ca_pb.js';
import { callUnary } from '#proto/grpc.ts';
import { type FakeCa as Ca, crossSign, FakeCa, newRoot } from '#test/fake-manager/ca.ts';
import { FakeCaServices } from '#test/fake-manager/ca-services.ts';
import { FakeManager, type ListenOptions } from '#test/fake-manager/server.ts';
import { type Credentials, parseCredentials } from './credentials.ts';
import { type DialTarget, dialManager, downloadRootBundle } from './dial.ts';
import { judgeProbe } from './dial-verdict.ts';

const HOUR = 3_600_000;
const LIMITS = { timeoutMs: 3_000 };

let scope: AsyncDisposableStack;
let ca: FakeCa;
let services: FakeCaServices;
beforeEach(() => {
  scope = new AsyncDisposableStack();
  ca = new FakeCa();
  services = new FakeCaServices(ca);
});
afterEach(() => scope.disposeAsync());

const listen = async (options?: ListenOptions) => scope.use(await FakeManager.listen(ca, services.services(), options));
const workerOf = (from: Ca, overrides = {}): Credentials =>
  parseCredentials({ rootBundle: from.rootBundle, ...from.issueWithKey('w0rker', 'worker', overrides) }, Date.now());
const targetOf = (address: string, credentials: Credentials): DialTarget => ({
  address,
  serverName: 'swarm-manager',
  rootBundle: credentials.rootBundle,
  credentials,
});
/** Connects, makes a call, and says as whom the manager knew us. */
const reach = async (target: DialTarget) => {
  const client = await dialManager(target, LIMITS);
  await callUnary(client, CA.method.getRootCACertificate, {}, LIMITS);
  client.close();
  return services.calls.at(-1)?.caller;
};
const serve = async (server: Server): Promise<string> => {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};
const openOn = (server: Server) => promisify(server.getConnections.bind(server))();
const expectError = (work: Promise<unknown>, code: string, text: string | RegExp) =>
  expect(work).rejects.toMatchObject({ code, message: expect.stringMatching(text), mend: expect.any(String) });

describe('dialManager reaches', () => {
  test('a manager, as the node the certificate names, in one connection', async () => {
    const manager = await listen();
    expect(await reach(targetOf(manager.address, workerOf(ca)))).toBe('w0rker');
    expect(manager.connections).toBe(1);
  });
  test('a manager while joining, as nobody', async () => {
    const manager = await listen();
    const target = { address: manager.address, serverName: 'swarm-ca', rootBundle: ca.rootBundle } as const;
    expect(await reach(target)).toBeUndefined();
  });
  test('a manager that chooses no protocol in the TLS handshake', async () => {
    const manager = await listen({ alpn: false });
    expect(await reach(targetOf(manager.address, workerOf(ca)))).toBe('w0rker');
  });
  test('a manager by name, and over IPv6', async () => {
    const credentials = workerOf(ca);
    const v4 = await listen();
    expect(await reach(targetOf(v4.address.replace('127.0.0.1', 'localhost'), credentials))).toBe('w0rker');
    const v6 = await listen({ host: '::1' });
    expect(v6.address).toMatch(/^\[::1\]:/);
    expect(await reach(targetOf(v6.address, credentials))).toBe('w0rker');
  });
  test('a manager directly, whatever proxy the environment names', async () => {
    const manager = await listen();
    for (const name of ['grpc_proxy', 'https_proxy', 'HTTPS_PROXY', 'http_proxy'])
      vi.stubEnv(name, 'http://127.0.0.1:1');
    scope.defer(() => void vi.unstubAllEnvs());
    expect(await reach(targetOf(manager.address, workerOf(ca)))).toBe('w0rker');
  });
  test('a manager that answers with more than 4 MiB', async () => {
    services.faults.rootBundle = Buffer.alloc(5 * 1024 * 1024, 'x');
    const manager = await listen();
    expect(await reach(targetOf(manager.address, workerOf(ca)))).toBe('w0rker');
  });
  test('a manager of a swarm whose root the operator has made', async () => {
    ca = new FakeCa('c', newRoot({ name: { o: 'ACME', cn: 'Root' }, rsaBits: 2048 }));
    services = new FakeCaServices(ca);
    const manager = await listen();
    expect(await reach(targetOf(manager.address, workerOf(ca)))).toBe('w0rker');
  });

  test('nothing stays open once the client is closed, also when the manager has stopped answering', async () => {
    const manager = await listen();
    const frozen = { now: false };
    const sides: Socket[] = [];
    const wire = createTcpServer({ allowHalfOpen: true }, (client) => {
      sides.push(client);
      const target = connectTcp(Number(manager.address.split(':')[1]), '127.0.0.1');
      client.on('data', (bytes) => frozen.now || target.write(bytes));
      client.on('error', () => {});
      target.on('data', (bytes) => frozen.now || client.write(bytes));
      client.on('close', () => target.destroy());
    });
    const client = await dialManager(targetOf(await serve(wire), workerOf(ca)), LIMITS);
    frozen.now = true;
    const call = callUnary(client, CA.method.getRootCACertificate, {}, { timeoutMs: 50 });
    await expect(call).rejects.toThrow('DEADLINE_EXCEEDED');
    client.close();
    // Only a socket that is gone altogether answers a byte with a reset; one that waits for the other side's end takes it.
    const reset = () => {
      for (const side of sides) side.write('?');
      expect(sides.map((side) => side.destroyed)).toEqual([true]);
    };
    await vi.waitFor(reset, { timeout: 3_000 });
  });
  test('nothing stays open once the client is closed', async () => {
    const manager = await listen();
    const client = await dialManager(targetOf(manager.address, workerOf(ca)), LIMITS);
    expect(manager.openConnections).toBe(1);
    client.close();
    await vi.waitFor(() => expect(manager.openConnections).toBe(0));
  });
});

describe('while the swarm changes its root CA', () => {
  test('a worker of the old root reaches a manager with a certificate of the new one', async () => {
    const credentials = workerOf(ca);
    ca.beginRotation();
    const manager = await listen();
    expect(await reach(targetOf(manager.address, credentials))).toBe('w0rker');
  });
  test('a worker with a certificate of the new CA needs no second look', async () => {
    const manager = await listen();
    ca.beginRotation();
    const credentials = workerOf(ca);
    manager.renewCertificate();
    expect(await reach(targetOf(manager.address, credentials))).toBe('w0rker');
    expect(manager.connections).toBe(1);
  });
  test('a worker with a certificate of the new CA reaches a manager with one of the old', async () => {
    const manager = await listen();
    ca.beginRotation();
    const credentials = workerOf(ca);
    manager.trustAnew();
    expect(await reach(targetOf(manager.address, credentials))).toBe('w0rker');
  });
  test('roots with names of their own', async () => {
    ca = new FakeCa('c', newRoot({ name: { cn: 'one' } }));
    services = new FakeCaServices(ca);
    const credentials = workerOf(ca);
    ca.beginRotation(newRoot({ name: { cn: 'two' } }));
    const manager = await listen();
    expect(await reach(targetOf(manager.address, credentials))).toBe('w0rker');
  });
  test('a worker that has missed the end reaches a manager that has forgotten the old root', async () => {
    ca.beginRotation();
    const credentials = workerOf(ca); // carries the cross-signed CA, which the old root vouches for
    ca.finishRotation();
    const manager = await listen();
    expect(await reach(targetOf(manager.address, credentials))).toBe('w0rker');
  });
  test('a worker that has missed all of it refuses the manager', async () => {
    const credentials = workerOf(ca);
    ca.beginRotation();
    ca.finishRotation();
    const manager = await listen();
    await expectError(reach(targetOf(manager.address, credentials)), 'wrong-ca', 'not certified by the root CA');
  });
  test('a second rotation on top of the first', async () => {
    ca.beginRotation();
    ca.finishRotation();
    const credentials = workerOf(ca);
    ca.beginRotation();
    const manager = await listen();
    expect(await reach(targetOf(manager.address, credentials))).toBe('w0rker');
  });
  test('a manager that presents a cross-signed CA of another swarm is refused', async () => {
    const credentials = workerOf(ca);
    const other = new FakeCa();
    const target = newRoot();
    ca = new FakeCa(credentials.clusterId, target);
    vi.spyOn(ca, 'intermediatesPem', 'get').mockReturnValue(crossSign(target, other.root));
    services = new FakeCaServices(ca);
    const manager = await listen();
    await expectError(reach(targetOf(manager.address, credentials)), 'wrong-ca', 'not certified');
  });
});

describe('dialManager refuses', () => {
  test('a port where nothing listens', async () => {
    const address = await serve(createTcpServer());
    await scope.disposeAsync();
    await expectError(
      reach(targetOf(address, workerOf(ca))),
      'manager-unreachable',
      `${address}: the connection was refused`,
    );
  });
  test('a server that accepts and says nothing, in time', async () => {
    const silent = createTcpServer((socket) => socket.resume());
    const address = await serve(silent);
    const dialled = dialManager(targetOf(address, workerOf(ca)), { timeoutMs: 300 });
    await expectError(dialled, 'manager-unreachable', 'did not answer within 0.3 s');
    await vi.waitFor(async () => expect(await openOn(silent)).toBe(0)); // a descriptor for each attempt would add up
  });
  test('a web server', async () => {
    const address = await serve(createHttpServer((_request, response) => void response.end('hello')));
    await expectError(reach(targetOf(address, workerOf(ca))), 'not-a-manager', 'does not speak TLS');
  });
  test('a server that hangs up', async () => {
    const address = await serve(createTcpServer((socket) => void socket.end()));
    await expectError(reach(targetOf(address, workerOf(ca))), 'not-a-manager', 'does not speak TLS');
  });
  test('a web server with TLS', async () => {
    const stranger = newRoot({ name: { cn: 'www.example.org' } });
    const key = stranger.key.export({ type: 'pkcs8', format: 'pem' }).toString();
    const address = await serve(createTlsServer({ cert: stranger.certificatePem, key }));
    await expectError(reach(targetOf(address, workerOf(ca))), 'not-a-manager', 'CN=www.example.org');
  });
  test('a manager of another swarm', async () => {
    const manager = await listen();
    await expectError(
      reach(targetOf(manager.address, workerOf(new FakeCa()))),
      'wrong-ca',
      'not certified by the root CA',
    );
    expect(services.calls).toEqual([]);
  });
  test('a manager of another swarm under the same root', async () => {
    const manager = await listen();
    const sibling = workerOf(new FakeCa('sibl1ng', ca.root));
    await expectError(
      reach(targetOf(manager.address, sibling)),
      'other-cluster',
      `is of cluster ${ca.clusterId}, not of sibl1ng`,
    );
    expect(services.calls).toEqual([]);
  });
  test('a worker', async () => {
    const worker = await listen({ role: 'worker' });
    await expectError(reach(targetOf(worker.address, workerOf(ca))), 'not-a-manager', 'it is a worker of the swarm');
  });
  test('a manager whose certificate has expired', async () => {
    const manager = await listen({ leaf: { notBeforeMs: Date.now() - 3 * HOUR, notAfterMs: Date.now() - HOUR } });
    await expectError(reach(targetOf(manager.address, workerOf(ca))), 'manager-certificate-expired', 'expired at 20');
  });
  test('to go on with an own certificate that has expired', async () => {
    ca = new FakeCa('c', newRoot({ notBeforeMs: Date.now() - 9 * HOUR }));
    services = new FakeCaServices(ca);
    const lifetime = { notBeforeMs: Date.now() - 3 * HOUR, notAfterMs: Date.now() - HOUR };
    const parts = { rootBundle: ca.rootBundle, ...ca.issueWithKey('w0rker', 'worker', lifetime) };
    const expired = parseCredentials(parts, Date.now() - 2 * HOUR);
    const manager = await listen();
    await expectError(
      reach(targetOf(manager.address, expired)),
      'certificate-expired',
      'certificate of this node expired at 20',
    );
  });
  test('an address that is none, before doing anything', async () => {
    await expectError(reach(targetOf('http://x', workerOf(ca))), 'bad-address', 'http://x');
  });
  test('to go on when told to stop', async () => {
    const address = await serve(createTcpServer());
    const controller = new AbortController();
    const dialled = dialManager(targetOf(address, workerOf(ca)), { ...LIMITS, signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(dialled).rejects.toBe(reason);
    const aborted = dialManager(targetOf(address, workerOf(ca)), { ...LIMITS, signal: controller.signal });
    await expect(aborted).rejects.toBe(reason);
  });
});

describe('judgeProbe', () => {
  const address = { host: 'm', port: 2377, text: 'm:2377' };
  const expected = { address, serverName: 'swarm-manager', roots: [], clusterId: undefined };
  test.each([
    ['ENOTFOUND', 'the host name m cannot be resolved'],
    ['EAI_AGAIN', 'the host name m cannot be resolved'],
    ['ECONNREFUSED', 'a worker never does'],
    ['EHOSTUNREACH', 'no route'],
    [undefined, 'no route'],
  ])('%s', (errno, text) => {
    expect(judgeProbe({ kind: 'no-connection', errno, text: 'no route' }, expected, 0)).toMatchObject({
      kind: 'failed',
      error: { code: 'manager-unreachable', message: expect.stringContaining(text) },
    });
  });
  test('a TLS server without a certificate', () => {
    expect(judgeProbe({ kind: 'tls', chain: [] }, expected, 0)).toMatchObject({
      kind: 'failed',
      error: { code: 'not-a-manager' },
    });
  });
});

describe('downloadRootBundle', () => {
  test('gives the bytes as they are served', async () => {
    const manager = await listen();
    expect(Buffer.from(await downloadRootBundle(manager.address, LIMITS))).toEqual(ca.rootBundle);
  });
  test('says what is wrong with the address', async () => {
    const web = await serve(createHttpServer());
    await expectError(downloadRootBundle(web, LIMITS), 'not-a-manager', 'does not speak TLS');
    const silent = await serve(createTcpServer());
    await expectError(downloadRootBundle(silent, { timeoutMs: 300 }), 'manager-unreachable', 'did not answer');
    const key = ca.root.key.export({ type: 'pkcs8', format: 'pem' }).toString();
    const tls = createTlsServer(
      { cert: ca.root.certificatePem, key },
      (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    );
    await expectError(downloadRootBundle(await serve(tls), LIMITS), 'not-a-manager', 'does not speak gRPC');
    const empty = scope.use(await FakeManager.listen(ca, []));
    await expectError(downloadRootBundle(empty.address, LIMITS), 'not-a-manager', 'does not hand out a root CA');
  });
});
