import { Command } from 'commander';
import { defineAgent } from './agent.ts';
import { defineCompletion } from './completion.ts';
import type { CliContext } from './context.ts';
import { defineInspect } from './inspect.ts';
import { defineJoin } from './join.ts';
import { defineLeave } from './leave.ts';
import { defineStatus } from './status.ts';
import { defineVersion } from './version.ts';

/** Help is read in full sentences; wider lines than this are hard to follow. */
const MAX_HELP_WIDTH = 110;

/** The whole command tree. Definitions only: what a command needs to run it loads when it runs. */
export function buildProgram(context: CliContext): Command {
  const { deps } = context;
  const program = new Command('netd')
    .description('netd is a worker node for Docker Swarm managers: a node agent and a network daemon in one process.')
    .version(deps.version, '-V, --version', 'print the version of this command')
    .helpOption('-h, --help', 'explain the command')
    .helpCommand('help [command]', 'explain a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.out(text),
      writeErr: () => {}, // mistakes come as exceptions, see cli.ts
      outputError: () => {},
      getOutHelpWidth: () => Math.min(MAX_HELP_WIDTH, context.screen.width),
      getOutHasColors: () => true, // the palette has decided already
    })
    .configureHelp({ styleTitle: (title) => context.screen.palette.bold(title) })
    .addHelpText('after', HELP);
  defineAgent(program, context);
  defineJoin(program, context);
  defineLeave(program, context);
  defineStatus(program, context);
  defineInspect(program, context);
  defineVersion(program, context);
  defineCompletion(program, context);
  return program;
}

const HELP = `
First steps:
  systemctl enable --now netd                           # or: netd agent
  docker swarm join-token worker                        # on a manager
  netd join --token SWMTKN-1-… MANAGER:2377
  netd status

Files:
  /etc/netd/netd.yaml    configuration (see "netd agent --help")
  /var/lib/netd/         certificate, key, root CA, managers, assignments
  /run/netd/netd.sock    local API: HTTP with JSON, for root

Environment:
  NETD_CONFIG            another configuration file
  NETD_RUN_DIR           another directory for the socket
  NETD_JOIN_TOKEN        join token for "netd join"
  NO_COLOR               no colour, if not empty

Exit status:
  0 fine, 1 error, 2 wrong usage, 3 degraded, 4 no agent answers

"netd help COMMAND" explains a command; the rest is in /usr/share/doc/netd,
or docs/ of the sources.`;
