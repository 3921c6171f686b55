import { setStage } from '#test/bench/stage.ts';
import { ask } from '#test/dns/ask.ts';
import { request } from '#test/dns/packet.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';

export type Side = 'ours' | 'docker';

/** Who answers the questions of a container. */
export interface Resolver {
  /** File of the container's network namespace. */
  readonly namespace: string;
  /** The daemon with the resolver in it, as this machine counts. */
  readonly pid: number;
}

export interface DnsStage extends AsyncDisposable {
  readonly resolvers: Readonly<Record<Side, Resolver>>;
}

/** A service of the swarm, known to both sides. */
export const SERVICE = 'web';
/** A name that is forwarded. */
export const OUTSIDE = 'www.example.com';
const NETWORK = 'bench';
/** Of a DNS header (RFC 1035 §4.1.1). */
const ANSWER_COUNT_AT = 6;
/** On the hosts of the bed. */
const UPSTREAM = '/opt/netd/test/bench/dns/upstream.fixture.ts';

/**
 * A swarm with a netd worker and a Docker worker, and a container of the same service on each. Both forward to the same server on
 * the manager. The resolvers are those of the daemons, with all that the daemons do beside.
 */
export async function setDnsStage(): Promise<DnsStage> {
  const stage = await setStage();
  const { manager, netdHost, netd, dockerHost } = stage;
  try {
    await manager.spawn('upstream', ['node', UPSTREAM, manager.address]);
    await manager.docker('network', 'create', '--driver', 'overlay', NETWORK);
    const flags = ['--detach', '--no-resolve-image', '--mode', 'global', '--constraint', 'node.role==worker'];
    // A virtual address needs IPVS on Docker's node, which not every kernel has.
    const network = ['--network', NETWORK, '--endpoint-mode', 'dnsrr', '--dns', manager.address];
    await manager.docker('service', 'create', ...flags, ...network, '--name', SERVICE, BUSYBOX, 'sleep', '100000');
    const resolvers = {
      ours: { namespace: await containerOn(netdHost), pid: netd.process.pid },
      docker: { namespace: await containerOn(dockerHost), pid: dockerHost.engine.process.pid },
    };
    for (const { namespace } of Object.values(resolvers)) await answersAll(namespace);
    return { resolvers, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

async function containerOn(host: Host): Promise<string> {
  const filter = ['--filter', `label=com.docker.swarm.service.name=${SERVICE}`];
  const id = await eventually(
    `a container on ${host.name}`,
    async () => (await host.docker('ps', '--quiet', ...filter)) || false,
    { timeoutMs: 60_000 },
  );
  const key = await host.docker('inspect', '--format', '{{.NetworkSettings.SandboxKey}}', id);
  return host.path(key.replace('/var/run', '/run'));
}

/** Until the container is told of both tasks, as the other side's is, and of what the server on the manager knows. */
async function answersAll(namespace: string): Promise<void> {
  const has = async (name: string, count: number) => {
    const reply = await ask(namespace, request(name));
    return reply?.readUInt16BE(ANSWER_COUNT_AT) === count;
  };
  await eventually(`${SERVICE} has two addresses`, () => has(SERVICE, 2), { timeoutMs: 60_000 });
  await eventually(`${OUTSIDE} has an address`, () => has(OUTSIDE, 1), { timeoutMs: 60_000 });
}
