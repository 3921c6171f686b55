import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { DescService } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { newSwarmId } from '#base/ids.ts';
import { serviceDefinition } from '#proto/grpc.ts';
import type { FakeCa, LeafSpec, Role } from './ca.ts';

/** A manager's listening side on loopback. TLS is ours, so that tests can make it misbehave; grpc-js does the rest. */
export class FakeManager implements AsyncDisposable {
  readonly nodeId = newSwarmId();
  readonly ca: FakeCa;
  readonly #tls: TlsServer;
  readonly #grpc = new Server();
  readonly #sockets = new Set<TLSSocket>();
  #connections = 0;
  #identity: { readonly certificatePem: string; readonly keyPem: string };

  private constructor(ca: FakeCa, options: ListenOptions) {
    this.ca = ca;
    this.#identity = ca.issueWithKey(this.nodeId, options.role ?? 'manager', options.leaf);
    this.#tls = createServer({
      ...this.#context(),
      requestCert: true,
      rejectUnauthorized: false, // no certificate at all is fine; a wrong one is not, see below
      minVersion: 'TLSv1.2',
      ...(options.alpn === false ? {} : { ALPNProtocols: ['h2'] }),
    });
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#tls.on('secureConnection', (socket) => {
      this.#connections += 1;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {}); // a client that goes away is nothing to report
      const presented = socket.getPeerX509Certificate() !== undefined;
      if (presented && !socket.authorized) {
        socket.destroy();
        return;
      }
      // Node's HTTP/2 server insists on the protocol having been chosen; the wire does not show the difference.
      if (options.alpn === false) socket.alpnProtocol = 'h2';
      injector.injectConnection(socket);
    });
  }

  static async listen(ca: FakeCa, services: readonly FakeService[], options: ListenOptions = {}): Promise<FakeManager> {
    const manager = new FakeManager(ca, options);
    for (const [service, implementation] of services) {
      manager.#grpc.addService(serviceDefinition(service), implementation);
    }
    await new Promise<void>((resolve, reject) => {
      manager.#tls.once('error', reject);
      manager.#tls.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
    });
    return manager;
  }

  /** `host:port` */
  get address(): string {
    const { address, port, family } = this.#tls.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** TLS connections accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Takes a new certificate from the CA as it now is, and trusts what it now trusts: for connections to come. */
  renewCertificate(leaf: Partial<LeafSpec> = {}): void {
    this.#identity = this.ca.issueWithKey(this.nodeId, 'manager', leaf);
    this.trustAnew();
  }

  /** Trusts what the CA now trusts, under the old certificate. */
  trustAnew(): void {
    this.#tls.setSecureContext(this.#context());
  }

  /** Breaks every connection. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropConnections();
    this.#grpc.forceShutdown();
    await new Promise<void>((resolve) => this.#tls.close(() => resolve()));
  }

  #context(): { cert: string; key: string; ca: string[] } {
    return { cert: this.#identity.certificatePem, key: this.#identity.keyPem, ca: this.ca.clientAnchors };
  }
}

export interface ListenOptions {
  readonly host?: string;
  readonly port?: number;
  /** False: answer TLS without choosing a protocol, as old managers do after renewing their certificate. */
  readonly alpn?: boolean;
  readonly role?: Role;
  /** What is different about the manager's own certificate. */
  readonly leaf?: Partial<LeafSpec>;
}

/** A gRPC service with what answers it. */
export type FakeService = readonly [service: DescService, implementation: UntypedServiceImplementation];
