import { readFileSync } from 'node:fs';
import type Docker from 'dockerode';
import type { Host } from '#test/hosts/host.ts';

// What a dockerd knows of the gossip, read from outside: its tables, its data plane, its names, its log.

/** A row of `endpoint_table` with the peer row under the same key, as `docker network inspect --verbose` shows them. */
export interface DockerTask {
  readonly name: string;
  readonly endpointId: string;
  readonly ip: string;
  /** Data path address of the peer row; undefined when there is none. */
  readonly hostIp: string | undefined;
  /** Name of its service, empty for a plain container. */
  readonly service: string;
}

export interface DockerNetwork {
  /** Gossip name and address of every node on the network, the dockerd itself included. */
  readonly peers: readonly { readonly name: string; readonly ip: string }[];
  readonly tasks: readonly DockerTask[];
}

interface VerboseInspect {
  readonly Peers?: readonly { readonly Name: string; readonly IP: string }[] | null;
  readonly Services?: Readonly<Record<string, { readonly Tasks: readonly VerboseTask[] | null }>> | null;
}

/** The types of the client do not know the option, which goes into the query as it is. */
function inspectVerbose(network: Docker.Network): Promise<VerboseInspect> {
  const inspect = network.inspect.bind(network) as (options: { verbose: true }) => Promise<VerboseInspect>;
  return inspect({ verbose: true });
}

interface VerboseTask {
  readonly Name: string;
  readonly EndpointID: string;
  readonly EndpointIP: string;
  readonly Info: Readonly<Record<string, string>> | null;
}

/** The tables of a network as the host's dockerd holds them. @throws Error when that network does not exist there (yet) */
export async function dockerNetwork(host: Host, network: string): Promise<DockerNetwork> {
  const api = host.engine.api();
  const inspect = await inspectVerbose(api.getNetwork(network));
  const peers = (inspect.Peers ?? []).map(({ Name, IP }) => ({ name: Name, ip: IP }));
  const tasks = Object.entries(inspect.Services ?? {}).flatMap(([service, { Tasks }]) =>
    (Tasks ?? []).map(({ Name, EndpointID, EndpointIP, Info }) => ({
      name: Name,
      endpointId: EndpointID,
      ip: EndpointIP,
      hostIp: Info?.['Host IP'],
      service,
    })),
  );
  return { peers, tasks };
}

/** Its row of that endpoint; undefined when there is none. */
export async function dockerTask(host: Host, network: string, endpointId: string): Promise<DockerTask | undefined> {
  const { tasks } = await dockerNetwork(host, network);
  return tasks.find((task) => task.endpointId === endpointId);
}

const BETWEEN = '--';

/** What the overlay of the host's dockerd has in the kernel: forwarding rows and neighbours, as iproute2 prints them. */
export async function overlayKernel(host: Host, network: string): Promise<{ fdb: string; neighbours: string }> {
  // Docker names the namespace of an overlay after the network (spec dataplane §1.1).
  const enter = ['nsenter', `--net=/run/docker/netns/1-${network.slice(0, 10)}`, '--'];
  const said = await host.run([...enter, 'sh', '-c', `bridge fdb show && echo '${BETWEEN}' && ip neighbour show`]);
  const [fdb = '', neighbours = ''] = said.split(`${BETWEEN}\n`);
  return { fdb, neighbours };
}

/** The addresses the embedded resolver of that container gives for a name; empty when it knows none. */
export async function resolved(host: Host, container: string, name: string): Promise<readonly string[]> {
  const { stdout } = await host.inContainer(container, `nslookup -type=a ${name} 127.0.0.11`);
  const answers = stdout
    .split(/^Name:/m)
    .slice(1)
    .join('\n');
  return [...answers.matchAll(/^Address(?: \d+)?:\s*([\d.]+)/gm)].map((match) => match[1] ?? '').sort();
}

/** Whatever memberlist or NetworkDB could say of a peer that does not speak properly; no trouble of ours excuses any of it. */
const MISUNDERSTANDINGS = [
  // "unexpected node" is not among them: whoever starts again under a new name is pinged under the old one for a while.
  /memberlist: .*(conflict|not supported|unknown|understood|truncated|checksum|type byte|invalid|decod|decrypt|encrypt|installed keys|too large|incompatible)/i,
  /error decoding|failed to (decode|unmarshal)|(invalid|unable to parse) peer|parse mac/i,
  /unexpected (update|delete|create|table|event|type|service|endpoint)/i,
  /^panic:|^fatal error:|^goroutine \d+ \[/,
];
/** What they say of a peer that does not answer, or of themselves when others complain. */
const SUSPICIONS = [
  /memberlist: .*([Ss]uspect|[Rr]efut|[Ff]ailed|failing|timeout|misconfigured)/,
  /(bulk sync|push\/pull).*(fail|error|timed out)/i,
  /change state .*Failed/,
];

export type Complaint = 'misunderstanding' | 'suspicion';

/** A request that made its handler panic, from net/http's line about it to the next line of the daemon. */
const HANDLER_PANIC = /^\d{4}\/\d\d\/\d\d [\d:]+ http: panic serving .*\n(?:(?!time=|\d{4}\/).*\n)*/gm;

/**
 * A log without what we do to a dockerd by asking: 26 and 28 read a load balancer that is not there yet when a verbose inspection
 * comes a moment after a service's first row (moby libnetwork/service_common.go, getLBIndex), so mostly while they start.
 */
export function withoutInspectionPanics(log: string): string {
  return log.replace(HANDLER_PANIC, (stack) => (stack.includes('libnetwork.(*Controller).getLBIndex(') ? '' : stack));
}

/** Lines of the dockerd's own log in which it complains of peers. */
export function complaints(host: Host, ...kinds: readonly Complaint[]): readonly string[] {
  const patterns = [
    ...(kinds.includes('misunderstanding') ? MISUNDERSTANDINGS : []),
    ...(kinds.includes('suspicion') ? SUSPICIONS : []),
  ];
  return withoutInspectionPanics(dockerLog(host))
    .split('\n')
    .filter((line) => patterns.some((pattern) => pattern.test(line)));
}

/** When the host's dockerd first said that, in milliseconds since 1970. @throws Error when it has not */
export function loggedAt(host: Host, text: string): number {
  const line = dockerLog(host)
    .split('\n')
    .find((one) => one.includes(text));
  const time = /^time="([^"]+)"/.exec(line ?? '')?.[1];
  if (time === undefined) throw new Error(`the dockerd of ${host.name} has not said: ${text}`);
  return Date.parse(time);
}

export function dockerLog(host: Host): string {
  return readFileSync(host.logPath('dockerd'), 'utf8');
}
