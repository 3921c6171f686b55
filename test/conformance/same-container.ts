import { isObject, type Json, member } from './task-container.ts';

/**
 * What users and tools see of a container, without what differs between any two tasks of one service (ids, addresses,
 * times) and without the secrets and configs that netd mounts in sight and Docker out of sight.
 */
export function comparable(inspect: Json, hostname: string): Json {
  const labels = member(inspect, 'Config', 'Labels') ?? null;
  const names: readonly (readonly [string, Json | undefined])[] = [
    ['TASK', member(labels, 'com.docker.swarm.task.id')],
    ['NODE', member(labels, 'com.docker.swarm.node.id')],
    ['CONTAINER', member(inspect, 'Id')],
    ['CONTAINER', String(member(inspect, 'Id')).slice(0, 12)],
  ];
  const parts = {
    Name: member(inspect, 'Name') ?? null,
    Path: member(inspect, 'Path') ?? null,
    Args: member(inspect, 'Args') ?? null,
    AppArmorProfile: member(inspect, 'AppArmorProfile') ?? null,
    Config: config(member(inspect, 'Config') ?? null, hostname),
    HostConfig: hostConfig(
      member(inspect, 'HostConfig') ?? null,
      member(inspect, 'NetworkSettings', 'Networks') ?? null,
    ),
    Mounts: mounts(member(inspect, 'Mounts') ?? null),
    Networks: networks(member(inspect, 'NetworkSettings', 'Networks') ?? null),
    Ports: ports(member(inspect, 'NetworkSettings', 'Ports') ?? null),
  };
  let json = JSON.stringify(withoutEmpty(parts));
  for (const [name, value] of names) if (typeof value === 'string') json = json.replaceAll(value, name);
  return JSON.parse(json) as Json;
}

/** With the host's network a container has the host's name. */
function config(value: Json, hostname: string): Json {
  if (!isObject(value)) return value;
  return value.Hostname === hostname ? { ...value, Hostname: 'HOST' } : value;
}

const PAYLOAD_SOURCE = '/run/netd/tasks/';

function hostConfig(value: Json, networks: Json): Json {
  if (!isObject(value)) return value;
  const { CgroupParent: _perHost, NetworkMode: mode = null, ...rest } = value;
  // Docker's worker says `default` or `bridge` whatever networks it attaches; a client of the API has to name the first.
  const own = isObject(networks) && Object.keys(networks).every((name) => ['bridge', 'host', 'none'].includes(name));
  return { ...rest, Mounts: ownMounts(value.Mounts ?? null), NetworkMode: own ? mode : 'USER' };
}

/** A volume without a name gets a random one, and with it a directory. */
function mounts(value: Json): Json {
  const list = ownMounts(value);
  if (!Array.isArray(list)) return list;
  return list
    .map((mount: Json) => {
      if (!isObject(mount)) return mount;
      const random = typeof mount.Name === 'string' && /^[0-9a-f]{64}$/.test(mount.Name);
      return random ? { ...mount, Name: 'RANDOM', Source: 'RANDOM' } : mount;
    })
    .toSorted(byTarget);
}

function byTarget(a: Json, b: Json): number {
  return String(member(a, 'Destination')) < String(member(b, 'Destination')) ? -1 : 1;
}

function ownMounts(value: Json): Json {
  if (!Array.isArray(value)) return value;
  return value.filter((mount: Json) => !String(member(mount, 'Source')).startsWith(PAYLOAD_SOURCE));
}

/** Which networks, and what was asked of them; not the addresses that came of it. */
function networks(value: Json): Json {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, endpoint]) => [
      name,
      {
        attached: true,
        IPAMConfig: member(endpoint, 'IPAMConfig') ?? null,
        DriverOpts: member(endpoint, 'DriverOpts') ?? null,
      },
    ]),
  );
}

/** Ports the engine chose are whatever was free. */
function ports(value: Json): Json {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([port, bindings]) => [
      port,
      Array.isArray(bindings)
        ? bindings.map((binding: Json) => ({ ...(isObject(binding) ? binding : {}), HostPort: 'SOME' }))
        : bindings,
    ]),
  );
}

/** The engine shows what nobody set as null, [], {} or "", depending on the way it was not set. */
function withoutEmpty(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, withoutEmpty(item)] as const)
      .filter(([, item]) => !isEmpty(item))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function isEmpty(value: Json): boolean {
  if (value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}
