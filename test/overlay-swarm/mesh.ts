import { patiently } from '#test/conformance/patiently.ts';
import type { Host } from '#test/hosts/host.ts';

/** A container that is alive on one of the hosts, on the network of the mesh. */
export interface Member {
  readonly host: Host;
  readonly id: string;
  readonly name: string;
  readonly ip: string;
}

/** Containers of several hosts on one overlay network: what they should reach, and what they do reach. */
export class Mesh {
  readonly network: string;

  constructor(network: string) {
    this.network = network;
  }

  /** The containers of a service that run now on these hosts. */
  async members(hosts: readonly Host[], service: string): Promise<readonly Member[]> {
    const filters = { label: [`com.docker.swarm.service.name=${service}`] };
    const lists = await Promise.all(
      hosts.map(async (host): Promise<readonly Member[]> => {
        const found = await host.engine.api().listContainers({ filters });
        return found.map(({ Id: id, Names: [name = ''], NetworkSettings: { Networks } }) => {
          const { IPAddress: ip = '' } = Networks[this.network] ?? {};
          return { host, id, name: name.replace('/', ''), ip };
        });
      }),
    );
    return lists.flat();
  }

  /**
   * Waits until so many containers of the service run on these hosts, every one reaches every other, and the name resolves for
   * each to exactly all of them.
   */
  async settled(hosts: readonly Host[], service: string, count: number): Promise<readonly Member[]> {
    return patiently(
      `${count} of ${service} on ${hosts.map(({ name }) => name)} find and reach each other`,
      async () => {
        const members = await this.members(hosts, service);
        if (members.length !== count) throw new Error(`${members.length} run`);
        const faults = (await Promise.all(members.map((member) => this.faultsOf(member, members, service)))).flat();
        if (faults.length > 0) throw new Error(faults.join('; '));
        return members;
      },
      { intervalMs: 300 },
    );
  }

  /** What is wrong for one member: whom it does not reach, and names that are not what they should be. */
  async faultsOf(member: Member, members: readonly Member[], service: string): Promise<readonly string[]> {
    const others = members.filter(({ id }) => id !== member.id);
    const pings = others.map(({ ip }) => `(ping -c 1 -W 1 ${ip} >/dev/null 2>&1 || echo unreachable ${ip}) &`);
    const name = `tasks.${service}`;
    const said = await inside(member, [...pings, 'wait', lookUp(name)].join('\n'));
    const resolved = answersIn(said).get(name) ?? [];
    const wanted = members.map(({ ip }) => ip).sort();
    const faults = (said.match(/^unreachable .*/gm) ?? []).map((line) => `${member.name}@${member.host.name}: ${line}`);
    if (resolved.join() !== wanted.join()) {
      faults.push(`${member.name}@${member.host.name}: ${name} is [${resolved}], alive are [${wanted}]`);
    }
    return faults;
  }

  /** The addresses a name has inside the container, sorted; none if it has none. */
  async resolve(member: Pick<Member, 'host' | 'id'>, name: string): Promise<readonly string[]> {
    return (await this.resolveAll(member, [name])).get(name) ?? [];
  }

  /** The same for many names, asked one after the other by one command. */
  async resolveAll(
    member: Pick<Member, 'host' | 'id'>,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    return answersIn(await inside(member, names.map(lookUp).join('\n')));
  }
}

/** Shell command that asks for a name, or for the names of an address. */
function lookUp(name: string): string {
  return `echo "? ${name}"; nslookup ${name} 127.0.0.11`;
}

/** Addresses by the name asked for, sorted, in what `lookUp` has printed. */
function answersIn(said: string): ReadonlyMap<string, readonly string[]> {
  const parts = said.split(/^\? /m).slice(1);
  return new Map(
    parts.map((part) => {
      // The first address is the server's own, and has its port.
      const addresses = [...part.matchAll(/^Address(?: \d+)?:\s*(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map((m) => m[1] ?? '');
      return [part.split('\n')[0] ?? '', [...new Set(addresses)].sort()];
    }),
  );
}

/** Output of a shell script in the container, whatever its exit status. */
export async function inside(member: Pick<Member, 'host' | 'id'>, script: string): Promise<string> {
  const { stdout, stderr } = await member.host.inContainer(member.id, script);
  return stdout === '' ? stderr : stdout;
}

/** Pings an address from inside a container, several times a second, until `stop` gives what was lost on the way. */
export async function pingThrough(member: Member, ip: string): Promise<Pings> {
  const log = `/tmp/ping-${ip}`;
  await inside(member, `ping -i 0.1 -W 1 ${ip} >${log} 2>&1 </dev/null &`);
  // By number: how the end of ping counts the packet it was just sending says nothing of the network.
  const answered = async () =>
    [...(await inside(member, `cat ${log}`)).matchAll(/ seq=(\d+) /g)].map((match) => Number(match[1]));
  return {
    answered,
    stop: async () => {
      await inside(member, 'killall -INT ping; sleep 0.3');
      const seen = await answered();
      const sent = (seen.at(-1) ?? -1) - (seen[0] ?? 0) + 1;
      return { sent, lost: sent - new Set(seen).size };
    },
  };
}

/** Ten a second, until they are stopped. */
export interface Pings {
  /** Numbers of the answers so far, in the order in which they came. */
  readonly answered: () => Promise<readonly number[]>;
  readonly stop: () => Promise<PingCount>;
}

/** Between the first and the last answer. */
export interface PingCount {
  readonly sent: number;
  readonly lost: number;
}
