import { Argument, type Command } from 'commander';
import { SCHEMA_VERSION } from '#agent/api/documents.ts';
import { NetdError } from '#base/errors.ts';
import { addClientFlags, type CliContext, type ClientFlags, clientFor, printJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit.ts';
import { TOPICS } from './inspect-topics.ts';

interface InspectFlags extends ClientFlags {
  readonly all?: boolean;
}

export function defineInspect(program: Command, context: CliContext): void {
  const names = Object.keys(TOPICS);
  const command = program
    .command('inspect')
    .description('Show one side of this node in full')
    .addArgument(new Argument('[topic]', 'what to show; everything if left out').choices(names))
    .addArgument(new Argument('[words...]', 'which of it; see Topics'))
    .option('--all', 'list everything, also what has no room on one screen')
    .addHelpText('after', `\nTopics:\n${names.map(topicHelp).join('\n')}\n${HELP}`)
    .action(async (topic: string | undefined, words: readonly string[]) =>
      context.finish(await runInspect(context, topic, words, command.opts<InspectFlags>())),
    );
  addClientFlags(command);
}

function topicHelp(name: string): string {
  const { usage, help } = TOPICS[name] ?? {};
  const line = `  ${name.padEnd(10)}${help}`;
  return usage === undefined ? line : `${line}\n            netd inspect ${name} ${usage}`;
}

const HELP = `
Exit status:
  0  asked and answered
  1  there is nothing of that name
  3  "path": something on the way is wrong
  4  no agent answers

Examples:
  netd inspect tasks
  netd inspect tasks --json |
    jq -r '.tasks[] | select(.state == "failed") | .err'
  netd inspect dns web.1 db
  netd inspect path web.1 tasks.db`;

async function runInspect(
  context: CliContext,
  name: string | undefined,
  words: readonly string[],
  flags: InspectFlags,
): Promise<ExitStatus> {
  if (name !== undefined) checkWords(name, words);
  const client = await clientFor(context, flags);
  const wanted = Object.entries(TOPICS).filter(([topic, { usage }]) =>
    name === undefined ? !usage?.startsWith(REQUIRED) : topic === name,
  );
  const answers = await Promise.all(wanted.map(async ([topic, { ask }]) => ({ topic, ...(await ask(client, words)) })));
  const status = answers[0]?.status ?? EXIT.ok;
  if (flags.json) {
    const whole = {
      schemaVersion: SCHEMA_VERSION,
      ...Object.fromEntries(answers.map(({ topic, raw }) => [topic, raw])),
    };
    printJson(context, name === undefined ? whole : answers[0]?.raw);
    return status;
  }
  const all = flags.all === true || !context.deps.isTTY;
  const screens = await Promise.all(answers.map(({ draw }) => draw(context.screen, all)));
  context.out(screens.join('\n'));
  return status;
}

/** How the usage of a topic begins that cannot do without words. */
const REQUIRED = '<';

/** @throws NetdError `usage` */
function checkWords(name: string, words: readonly string[]): void {
  const { usage = '' } = TOPICS[name] ?? {};
  const most = usage.match(/[A-Z]+/g)?.length ?? 0;
  const least = usage.match(/<[A-Z]+>/g)?.length ?? 0;
  if (words.length >= least && words.length <= most) return;
  throw new NetdError('usage', `netd inspect ${name} takes ${most === 0 ? 'no further words' : usage}`, {
    mend: 'See "netd inspect --help".',
  });
}
