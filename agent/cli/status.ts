import type { Command } from 'commander';
import type { StatusDocument } from '#agent/api/documents.ts';
import { addClientFlags, type CliContext, type ClientFlags, clientFor, printJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit.ts';
import { printable } from './text.ts';

interface StatusFlags extends ClientFlags {
  readonly all?: boolean;
}

export function defineStatus(program: Command, context: CliContext): void {
  const command = program
    .command('status')
    .description('Say on one screen how this node is, what is wrong, and what to do about it')
    .option('--all', 'list every problem, also those that have no room on one screen')
    .addHelpText('after', HELP)
    .action(async () => context.finish(await runStatus(context, command.opts<StatusFlags>())));
  addClientFlags(command);
}

const HELP = `
Exit status:
  0  the node is Ready, and at most warnings are listed: of services that fail,
     say, which is no fault of the node
  3  it is not Ready, or an error is listed
  4  no agent answers

Examples:
  netd status
  netd status --json | jq -r '.cluster.state'
  until netd status >/dev/null; do sleep 1; done    # wait until Ready`;

async function runStatus(context: CliContext, flags: StatusFlags): Promise<ExitStatus> {
  const client = await clientFor(context, flags);
  const { document, raw } = await client.status();
  if (flags.json) {
    printJson(context, raw);
  } else {
    const { statusScreen } = await import('./status-screen.ts');
    context.out(statusScreen(printable(document), context.screen, flags.all === true || !context.deps.isTTY));
  }
  return healthOf(document);
}

/** Fine is: Ready, and no problem of the gravest kind. */
export function healthOf({ cluster, problems }: Pick<StatusDocument, 'cluster' | 'problems'>): ExitStatus {
  const broken = problems.some((problem) => problem.severity === 'error');
  return cluster.state === 'ready' && !broken ? EXIT.ok : EXIT.degraded;
}
