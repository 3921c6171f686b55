import type { Command } from 'commander';
import { addClientFlags, type CliContext, type ClientFlags, clientFor, printJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit.ts';

interface LeaveFlags extends ClientFlags {
  readonly force?: boolean;
}

export function defineLeave(program: Command, context: CliContext): void {
  const command = program
    .command('leave')
    .description('Take this node out of its swarm')
    .option('-f, --force', 'go on past whatever fails, such as an engine that does not answer')
    .addHelpText('after', HELP)
    .action(async () => context.finish(await runLeave(context, command.opts<LeaveFlags>())));
  addClientFlags(command);
}

const HELP = `
Stops the tasks of this node, removes their containers, and wipes certificate,
key and everything else in the state directory. Containers, volumes and images
that are not of the swarm are not touched.

The managers list the node as Down when its heartbeats stay away; then
"docker node rm NODE" on a manager forgets it. A later join gets a new node id.

To stop the agent without leaving: systemctl stop netd
Containers then go on running.`;

/** Who has waited this long for an answer wants to know why. */
const PATIENCE_MS = 2_000;

async function runLeave(context: CliContext, flags: LeaveFlags): Promise<ExitStatus> {
  const client = await clientFor(context, flags);
  const left = new AbortController();
  context.deps.clock.sleep(PATIENCE_MS, left.signal).then(
    () => context.note('stopping the tasks of this node; each has its grace period'),
    () => {},
  );
  try {
    // No limit of time: every task may take as long as its service allows.
    const { document, raw } = await client.leave({ force: flags.force === true }, new AbortController().signal);
    if (flags.json) printJson(context, raw);
    else context.out(document.left ? 'Node left the swarm.\n' : 'The join under way was given up.\n');
    return EXIT.ok;
  } finally {
    left.abort();
  }
}
