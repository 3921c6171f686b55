import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, outputOf, runCommand } from './command.ts';
import { type Holder, startHolder } from './holder.ts';

const KEEPER = join(import.meta.dirname, 'keeper.sh');
const FORWARD = join(import.meta.dirname, 'forward.ts');

/** Every bed has a switch to itself, so that all can use the same subnet. */
const SUBNET = '10.77.1';
const PREFIX_BITS = 24;
/** The numbers above belong to the switch's own end. */
const MAX_HOST_NUMBER = 250;

/** The bridge that a bed's hosts are plugged into, in a network namespace of its own. */
export class Switch {
  /** The switch's own address: in-process servers are made reachable there, and clients started with `run` come from there. */
  readonly address = `${SUBNET}.254`;
  readonly #keeper: Holder;
  readonly #forwarders: Holder[] = [];

  private constructor(keeper: Holder) {
    this.#keeper = keeper;
  }

  /** Starts the bed's keeper, which also removes `scratch`, and all else of the bed, when this process ends. */
  static async create(bedId: string, scratch: string): Promise<Switch> {
    mkdirSync(scratch, { recursive: true });
    const keeper = startHolder(['unshare', '--net', 'sh', KEEPER, bedId, scratch], {});
    const made = new Switch(keeper);
    try {
      await keeper.line();
      await made.run(['ip', 'address', 'add', `${made.address}/${PREFIX_BITS}`, 'dev', 'switch']);
      return made;
    } catch (error) {
      await keeper.release();
      throw error;
    }
  }

  /** The address, with prefix length, of the host with that number. @throws RangeError when the subnet is full. */
  addressOf(hostNumber: number): string {
    if (hostNumber > MAX_HOST_NUMBER) throw new RangeError(`a bed has room for ${MAX_HOST_NUMBER} hosts`);
    return `${SUBNET}.${hostNumber}/${PREFIX_BITS}`;
  }

  /** Lays a cable between a new port and a new interface eth0 in the network namespace of the process. */
  async connect(port: string, pid: number): Promise<void> {
    const input = `link add ${port} type veth peer name eth0 netns ${pid}\nlink set ${port} master switch up\n`;
    await this.run(['ip', '-batch', '-'], { input });
  }

  async setPort(port: string, state: 'up' | 'down'): Promise<void> {
    await this.run(['ip', 'link', 'set', port, state]);
  }

  /**
   * Runs a command of this machine in the network namespace of the switch, where all hosts can be reached.
   *
   * @throws Error with its standard error when it did not exit with 0.
   */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
    return outputOf(argv, await runCommand([...this.#enter(), ...argv], options));
  }

  /**
   * Makes a server that listens on a unix socket, such as one in the test's own process, reachable for the hosts.
   * Gives its `address:port` in the bed.
   */
  async expose(socketPath: string, port: number): Promise<string> {
    const argv = [...this.#enter(), process.execPath, FORWARD, this.address, `${port}`, socketPath];
    const forwarder = startHolder(argv, {});
    this.#forwarders.push(forwarder);
    await forwarder.line();
    return `${this.address}:${port}`;
  }

  /** Resolves when nothing of the bed is left on this machine; the hosts should have been ended before. */
  async end(): Promise<void> {
    await Promise.all(this.#forwarders.map((forwarder) => forwarder.release()));
    await this.#keeper.release();
  }

  #enter(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#keeper.pid}/ns/net`, '--'];
  }
}
