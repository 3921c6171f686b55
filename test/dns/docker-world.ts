import type { Endpoint } from '#netd/gossip/records.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { swarmInit } from '#test/hosts/swarm.ts';

/** A swarm of one Docker node, with everything that has a name; and what those names stand for, as facts. */
export interface DockerWorld {
  /** Paths, from outside, of the namespaces of the containers that ask: as they are, and with `ndots:1`. */
  readonly client: string;
  readonly ndotsClient: string;
  /** Rows of network `plain`, by id: what a netd node would be told of it. */
  readonly rows: ReadonlyMap<string, Endpoint>;
  readonly addresses: WorldAddresses;
}

export interface WorldAddresses {
  readonly echoVip: string;
  readonly echoTasks: readonly string[];
  readonly rrTasks: readonly string[];
  readonly lonely: string;
  readonly self: string;
  /** Of the first task of `echo`: name, short container id, address. */
  readonly task: { readonly name: string; readonly shortId: string; readonly address: string };
}

interface ContainerFacts {
  readonly Id: string;
  readonly Name: string;
  readonly Config: { readonly Hostname: string };
  readonly NetworkSettings: {
    readonly SandboxKey: string;
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string; readonly EndpointID: string }>>;
  };
}

const SLEEP = ['sleep', '100000'];

/** @param dns server of the clients */
export async function dockerWorld(host: Host, dns: string): Promise<DockerWorld> {
  await host.engine.start();
  await host.engine.load();
  await swarmInit(host);
  const network = ['network', 'create', '--driver', 'overlay', '--attachable', '--subnet'];
  await host.docker(...network, '10.11.0.0/24', 'plain');
  await host.docker(...network, '10.12.0.0/24', 'other');
  const create = ['service', 'create', '--detach', '--no-resolve-image', '--stop-signal', 'KILL'];
  const service = (name: string, replicas: number, on: string, ...flags: string[]) =>
    host.docker(
      ...create,
      '--name',
      name,
      '--replicas',
      String(replicas),
      '--network',
      on,
      ...flags,
      BUSYBOX,
      ...SLEEP,
    );
  const run = (name: string, ...flags: string[]) =>
    host.docker('run', '--detach', '--name', name, '--network', 'plain', ...flags, BUSYBOX, ...SLEEP);
  await Promise.all([
    service('echo', 3, 'name=plain,alias=alias1'),
    service('rr', 40, 'plain', '--endpoint-mode', 'dnsrr'),
    service('hidden', 1, 'other'),
    service('none', 0, 'plain'),
  ]);
  await run('lonely', '--network-alias', 'lonealias', '--hostname', 'lonehost');
  await run('client', '--dns', dns);
  await run('ndots', '--dns', dns, '--dns-option', 'ndots:1');
  await eventually('all tasks run', async () => (await host.docker('ps', '--quiet')).split('\n').length === 47, {
    timeoutMs: 90_000,
  });
  return factsOf(host);
}

async function factsOf(host: Host): Promise<DockerWorld> {
  const ids = (await host.docker('ps', '--quiet', '--no-trunc')).split('\n');
  const containers = JSON.parse(await host.docker('inspect', ...ids)) as readonly ContainerFacts[];
  const services = JSON.parse(await host.docker('service', 'inspect', 'echo', 'rr')) as readonly {
    readonly ID: string;
    readonly Spec: { readonly Name: string };
    readonly Endpoint: { readonly VirtualIPs?: readonly { readonly Addr: string }[] };
  }[];
  const serviceOf = (name: string) => services.find(({ Spec }) => name.startsWith(`${Spec.Name}.`));
  const rows = new Map<string, Endpoint>();
  const on = (name: string) => containers.filter((container) => container.Name.startsWith(`/${name}`));
  const ip = (container: ContainerFacts | undefined) => container?.NetworkSettings.Networks.plain?.IPAddress ?? '';
  for (const container of containers) {
    const place = container.NetworkSettings.Networks.plain;
    if (place === undefined) continue;
    const name = container.Name.slice(1);
    const known = serviceOf(name);
    const vip = known?.Endpoint.VirtualIPs?.[0]?.Addr.replace(/\/.*/, '');
    const aliases = [container.Id.slice(0, 12), container.Config.Hostname, ...(name === 'lonely' ? ['lonealias'] : [])];
    rows.set(place.EndpointID, {
      name,
      service: known && { id: known.ID, name: known.Spec.Name },
      virtualIp: vip,
      ip: place.IPAddress,
      ingressPorts: [],
      aliases: known?.Spec.Name === 'echo' ? ['alias1'] : [],
      taskAliases: aliases,
      disabled: false,
    });
  }
  const [task] = on('echo.1.');
  const namespace = (name: string) =>
    host.path(on(name)[0]?.NetworkSettings.SandboxKey.replace('/var/run', '/run') ?? '');
  return {
    client: namespace('client'),
    ndotsClient: namespace('ndots'),
    rows,
    addresses: {
      echoVip: services[0]?.Endpoint.VirtualIPs?.[0]?.Addr.replace(/\/.*/, '') ?? '',
      echoTasks: on('echo.').map(ip),
      rrTasks: on('rr.').map(ip),
      lonely: ip(on('lonely')[0]),
      self: ip(on('client')[0]),
      task: { name: task?.Name.slice(1) ?? '', shortId: task?.Id.slice(0, 12) ?? '', address: ip(task) },
    },
  };
}
