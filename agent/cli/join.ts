import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { JoinRequest } from '#agent/api/control.ts';
import { SCHEMA_VERSION } from '#agent/api/documents.ts';
import { AVAILABILITIES, type Availability } from '#agent/api/view.ts';
import { errorText, NetdError } from '#base/errors.ts';
import { addClientFlags, type CliContext, type ClientFlags, clientFor, printJson } from './context.ts';
import { duration, parseDuration } from './duration.ts';
import { EXIT, type ExitStatus } from './exit.ts';

interface JoinFlags extends ClientFlags {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly advertiseAddr?: string;
  readonly dataPathAddr?: string;
  readonly listenAddr?: string;
  readonly availability: Availability;
  readonly force?: boolean;
  /** Milliseconds. */
  readonly timeout: number;
}

/** As long as "docker swarm join" waits. */
const DEFAULT_TIMEOUT_MS = 20_000;
/** A token has under a hundred characters; more is another file. */
const MAX_TOKEN_BYTES = 4_096;

export function defineJoin(program: Command, context: CliContext): void {
  const command = program
    .command('join')
    .description('Make this node a worker of a swarm')
    .argument('<host:port...>', 'one or more managers (default port: 2377)')
    .option(
      '--token <token>',
      'join token of the swarm; the process list shows it to everybody, other than --token-file and NETD_JOIN_TOKEN',
    )
    .option('--token-file <file>', 'read the token from a file, or from standard input with "-" (env: NETD_JOIN_TOKEN)')
    .option(
      '--advertise-addr <ip|interface>',
      'address told to the other nodes, for the gossip on port 7946 (default: the one the managers see)',
    )
    .option(
      '--data-path-addr <ip|interface>',
      'address for the traffic of overlay networks between the nodes (default: --advertise-addr)',
    )
    .addOption(
      new Option('--availability <availability>', 'availability of the node').choices(AVAILABILITIES).default('active'),
    )
    .option('--listen-addr <ip|interface>', 'taken for compatibility; only managers listen')
    .option('-f, --force', 'throw away what is left of an earlier swarm first')
    .addOption(
      new Option('--timeout <time>', 'how long to wait until the node is Ready; 0 does not wait')
        .argParser(timeoutOf)
        .default(DEFAULT_TIMEOUT_MS, '20s'),
    )
    .addHelpText('after', HELP)
    .action(async (addresses: string[]) => {
      context.finish(await runJoin(context, addresses, command.opts<JoinFlags>()));
    });
  addClientFlags(command);
}

const HELP = `
Takes the flags of "docker swarm join". The token is told by a manager:
  docker swarm join-token worker

Exit status:
  0  the node is Ready
  1  the agent or the swarm refused
  2  token, address or flag is wrong; nothing was touched
  3  not Ready yet when the time was up; the join goes on in the background
  4  no agent answers

Examples:
  netd join --token SWMTKN-1-… 10.0.0.1:2377 10.0.0.2:2377
  netd join --token-file token.txt --advertise-addr eth1 10.0.0.1
  ssh manager docker swarm join-token -q worker |
    netd join --token-file - --availability drain 10.0.0.1`;

async function runJoin(context: CliContext, addresses: readonly string[], flags: JoinFlags): Promise<ExitStatus> {
  const { clock } = context.deps;
  const request = await joinRequest(context, addresses, flags);
  if (flags.listenAddr !== undefined) {
    context.note('netd: --listen-addr is ignored: it is for managers, and netd is a worker only');
  }
  const [client, { joinAndWait }] = await Promise.all([clientFor(context, flags), import('./join-wait.ts')]);
  const outcome = await joinAndWait({
    client,
    request,
    timeoutMs: flags.timeout,
    clock,
    progress: (line) => context.note(line),
  });
  if (flags.json) {
    const { cluster } = outcome.status;
    printJson(context, {
      schemaVersion: SCHEMA_VERSION,
      state: cluster.state,
      nodeId: cluster.nodeId,
      clusterId: cluster.clusterId,
    });
  } else if (outcome.tag === 'ready') {
    context.out(`This node joined a swarm as a worker.\nNode id: ${outcome.joined.nodeId}\n`);
  }
  if (outcome.tag === 'ready') return EXIT.ok;
  context.note(`netd: the node was not Ready after ${duration(flags.timeout)}; the join goes on in the background`);
  context.advise('Follow it with "netd status"; "netd leave" gives it up.');
  return EXIT.degraded;
}

/** Everything checked that can be checked here, before the agent is asked. */
async function joinRequest(context: CliContext, addresses: readonly string[], flags: JoinFlags): Promise<JoinRequest> {
  const [{ parseJoinToken }, { parseManagerAddress }] = await Promise.all([
    import('#pki/token.ts'),
    import('#pki/address.ts'),
  ]);
  const token = await givenToken(context, flags);
  return {
    token: parseJoinToken(token).text,
    addresses: addresses.map((address) => parseManagerAddress(address).text),
    advertiseAddr: await checkedHost('--advertise-addr', flags.advertiseAddr),
    dataPathAddr: await checkedHost('--data-path-addr', flags.dataPathAddr),
    availability: flags.availability,
    force: flags.force === true,
  };
}

async function givenToken({ deps }: CliContext, { token, tokenFile }: JoinFlags): Promise<string> {
  if (token !== undefined && tokenFile !== undefined) {
    throw new NetdError('usage', '--token and --token-file are both given', { mend: 'Give one of them.' });
  }
  if (token !== undefined) return token;
  if (tokenFile !== undefined) return tokenFile === '-' ? await readAll(deps.stdin) : await readTokenFile(tokenFile);
  if (deps.env.NETD_JOIN_TOKEN) return deps.env.NETD_JOIN_TOKEN;
  throw new NetdError('usage', 'the join token is missing', {
    mend: 'Get it on a manager with "docker swarm join-token worker", and give it with --token, --token-file or NETD_JOIN_TOKEN.',
  });
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return (await readFile(path)).subarray(0, MAX_TOKEN_BYTES).toString('utf8').trim();
  } catch (error) {
    throw new NetdError('usage', `cannot read the token from ${path}: ${errorText(error)}`, {
      mend: 'Name a file that holds the token alone, or "-" for standard input.',
      cause: error,
    });
  }
}

async function readAll(input: AsyncIterable<Uint8Array | string>): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
    if (text.length > MAX_TOKEN_BYTES) break;
  }
  return text.trim();
}

/** `IP|INTERFACE[:PORT]`: the form only; whether there is such an interface the agent knows. */
async function checkedHost(flag: string, value: string | undefined): Promise<string | null> {
  if (value === undefined) return null;
  const { parseHostPort } = await import('#pki/address.ts');
  try {
    parseHostPort(value, 2377);
    return value;
  } catch (error) {
    throw new NetdError('usage', `bad value for ${flag}: ${errorText(error)}`, {
      mend: 'Allowed: an IP address or the name of an interface, such as 10.0.0.5 or eth1.',
      cause: error,
    });
  }
}

function timeoutOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new InvalidArgumentError('Allowed: seconds, or a number with ms, s, m or h, such as 90s.');
  return ms;
}
