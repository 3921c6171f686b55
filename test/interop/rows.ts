import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Endpoint } from '#netd/gossip/records.ts';
import { patiently } from '#test/conformance/patiently.ts';
import type { Host } from '#test/hosts/host.ts';
import { dockerNetwork, dockerTask, overlayKernel } from './docker-side.ts';
import type { Probe, PublishedRows } from './probe.ts';

/** Networks here have 16 bits; the common one these. */
const PREFIX_BITS = 16;
const SUBNET = [10, 99] as const;

/**
 * Rows of a task of a service of ours called `name`, that the manager knows nothing of, on a network of which the subnet
 * begins with `subnet`.
 */
export function ourRows(probe: Probe, name: string, subnet: readonly [number, number] = SUBNET): PublishedRows {
  const id = createHash('sha256').update(`${name} ${probe.name}`).digest('hex');
  const digest = Buffer.from(id, 'hex');
  // The manager gives addresses from below; the upper half is ours.
  const octets = [...subnet, 128 + ((digest[0] ?? 0) >> 1), 1 + ((digest[1] ?? 0) % 254)];
  const ip = octets.join('.');
  const mac = `02:42:${octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':')}`;
  const endpoint: Endpoint = {
    name: `${name}.1.${id.slice(0, 25)}`,
    service: { id: id.slice(0, 25), name },
    virtualIp: undefined,
    ip,
    ingressPorts: [],
    aliases: [`${name}-alias`],
    taskAliases: [id.slice(0, 12)],
    disabled: false,
  };
  return { id, endpoint, peer: { ip, prefixLength: PREFIX_BITS, mac, tunnelIp: probe.host.address } };
}

/** Waits until both rows are in the tables of that dockerd, and in the kernel of its host. */
export async function dockerHas(host: Host, network: string, rows: PublishedRows): Promise<void> {
  const { id, endpoint, peer } = rows;
  const wanted = {
    name: endpoint.name,
    endpointId: id,
    ip: endpoint.ip,
    hostIp: peer.tunnelIp,
    service: endpoint.service?.name,
  };
  await patiently(`dockerd of ${host.name} has the rows of ${endpoint.name}`, async () => {
    assert.deepEqual(await dockerTask(host, network, id), wanted);
    const { fdb, neighbours } = await overlayKernel(host, network);
    assert.match(fdb, new RegExp(`^${peer.mac} dev vxlan0 dst ${peer.tunnelIp} .*permanent`, 'm'));
    assert.match(neighbours, new RegExp(`^${peer.ip} dev vxlan0 lladdr ${peer.mac} PERMANENT`, 'm'));
    return true;
  });
}

/** Waits until nothing of the rows is left with that dockerd, nor in the kernel of its host. */
export async function dockerLacks(host: Host, network: string, { id, endpoint, peer }: PublishedRows): Promise<void> {
  await patiently(`dockerd of ${host.name} has dropped ${endpoint.name}`, async () => {
    assert.equal(await dockerTask(host, network, id), undefined);
    const { fdb, neighbours } = await overlayKernel(host, network);
    assert(!fdb.includes(peer.mac), fdb);
    assert(!neighbours.includes(`${peer.ip} `), neighbours);
    return true;
  });
}

/** A row as the engine that owns it describes it, or as a probe has it: what must be the same. */
interface RowFacts {
  readonly key: string;
  /** Of the endpoint row; undefined where there is a peer row alone, as for Docker's load balancers. */
  readonly name: string | undefined;
  readonly ip: string;
  readonly mac: string;
  readonly tunnelIp: string;
}

interface InspectedContainer {
  readonly Name: string;
  readonly EndpointID: string;
  readonly MacAddress: string;
  readonly IPv4Address: string;
}

/** The rows that the host's dockerd has to have on the network, by what its engine says of the containers there. */
export async function rowsOfDocker(host: Host, network: string): Promise<readonly RowFacts[]> {
  const { Containers } = await host.engine.api().getNetwork(network).inspect();
  const containers = Object.entries((Containers ?? {}) as Readonly<Record<string, InspectedContainer>>);
  return sorted(
    containers.map(([id, { Name, EndpointID, MacAddress, IPv4Address }]) => ({
      key: EndpointID,
      name: id.startsWith('lb-') ? undefined : Name,
      ip: IPv4Address,
      mac: MacAddress,
      tunnelIp: host.address,
    })),
  );
}

/** The rows a probe holds of one node: each peer row with the name in the endpoint row beside it. */
export async function rowsInProbe(probe: Probe, network: string, owner: string): Promise<readonly RowFacts[]> {
  const { endpoints, peers, unreadable } = await probe.snapshot(network);
  assert.equal(unreadable, 0);
  const mine = peers.filter((row) => row.owner === owner);
  const alone = endpoints.filter((row) => row.owner === owner && !mine.some(({ key }) => key === row.key));
  assert.deepEqual(alone, [], 'endpoint rows without a peer row');
  return sorted(
    mine.map(({ key, value: { ip, prefixLength, mac, tunnelIp } }) => {
      const name = endpoints.find((row) => row.key === key)?.value.name;
      return { key, name, ip: `${ip}/${prefixLength}`, mac, tunnelIp };
    }),
  );
}

/** Waits until the probe holds exactly the rows of that host's dockerd, and gives them. */
export async function probeAgrees(
  probe: Probe,
  network: string,
  docker: Host,
  leastContainers = 1,
): Promise<readonly RowFacts[]> {
  return patiently(`${probe.host.name} has the rows of ${docker.name}`, async () => {
    const owner = await gossipName(docker, network);
    const rows = await rowsOfDocker(docker, network);
    assert(rows.filter(({ name }) => name !== undefined).length >= leastContainers);
    assert.deepEqual(await rowsInProbe(probe, network, owner), rows);
    return rows;
  });
}

/** The gossip name the host's dockerd has now. */
export async function gossipName(docker: Host, network: string): Promise<string> {
  const { peers } = await dockerNetwork(docker, network);
  const own = peers.filter(({ ip }) => ip === docker.address);
  const [one] = own;
  if (one === undefined || own.length > 1) throw new Error(`${docker.name} is ${own.length} nodes on ${network}`);
  return one.name;
}

function sorted(rows: readonly RowFacts[]): readonly RowFacts[] {
  return rows.toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
