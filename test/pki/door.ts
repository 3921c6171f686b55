import { existsSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import type { HostProcess } from '#test/hosts/host-process.ts';
import { MANAGER_PORT } from '#test/hosts/swarm.ts';

/**
 * A port on this machine's loopback that leads to the manager on a test host: the code under test runs in the test's own process,
 * where its state can be looked at, and still talks to a real manager.
 */
export class Door implements AsyncDisposable {
  readonly #server: Server;
  readonly #forwarder: HostProcess;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, forwarder: HostProcess, sockets: Set<Socket>) {
    this.#server = server;
    this.#forwarder = forwarder;
    this.#sockets = sockets;
  }

  static async open(host: Host): Promise<Door> {
    const inside = '/run/manager-port.sock';
    const program = ['node', '/opt/netd/test/pki/port-forward.ts', inside, host.address, `${MANAGER_PORT}`];
    const forwarder = await host.spawn('port-forward', program);
    await eventually('the port forwarder listens', () => existsSync(host.path(inside)));
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const target = connect({ path: host.path(inside), allowHalfOpen: true });
      client.pipe(target).pipe(client);
      for (const [socket, other] of [[client, target] as const, [target, client] as const]) {
        sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Door(server, forwarder, sockets);
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.#forwarder.stop();
  }
}
