import type { Command } from 'commander';
import { SCHEMA_VERSION } from '#agent/api/documents.ts';
import { isNetdError } from '#base/errors.ts';
import { addClientFlags, type CliContext, type ClientFlags, clientFor, printJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit.ts';

export function defineVersion(program: Command, context: CliContext): void {
  const command = program
    .command('version')
    .description('Print the version of this command and of the running agent')
    .action(async () => context.finish(await runVersion(context, command.opts<ClientFlags>())));
  addClientFlags(command);
}

async function runVersion(context: CliContext, flags: ClientFlags): Promise<ExitStatus> {
  const client = await clientFor(context, flags);
  const agent = await client.version().then(
    ({ document }) => document,
    (error: unknown) => {
      if (isNetdError(error, 'daemon-unreachable')) return null; // a version can be told without an agent
      throw error;
    },
  );
  const { version } = context.deps;
  if (flags.json) {
    const running = agent && { version: agent.version, pid: agent.pid };
    printJson(context, { schemaVersion: SCHEMA_VERSION, version, node: process.version, agent: running });
    return EXIT.ok;
  }
  context.out(`netd   ${version} (Node ${process.version})\n`);
  context.out(
    `agent  ${agent === null ? 'not running, or not to be reached' : `${agent.version}, process ${agent.pid}`}\n`,
  );
  if (agent !== null && agent.version !== version)
    context.note('The agent is of another version: restart it ("systemctl restart netd").');
  return EXIT.ok;
}
