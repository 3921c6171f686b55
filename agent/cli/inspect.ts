import { Argument, type Command } from 'commander';
import type { ApiClient } from '#agent/api/client.ts';
import { SCHEMA_VERSION } from '#agent/api/documents.ts';
import { addClientFlags, type CliContext, type ClientFlags, clientFor, printJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit.ts';
import { printable, type Screen } from './text.ts';

interface Topic {
  readonly help: string;
  /** Asks the agent; gives the document as it came and a way to draw it. */
  readonly ask: (
    client: ApiClient,
  ) => Promise<{ readonly raw: unknown; readonly draw: (screen: Screen, all: boolean) => Promise<string> }>;
}

interface InspectFlags extends ClientFlags {
  readonly all?: boolean;
}

/** Everything there is to inspect, by name. */
const TOPICS: Readonly<Record<string, Topic>> = {
  node: {
    help: 'how the swarm knows this node; managers, engine, agent',
    ask: async (client) => {
      const { raw, document } = await client.node();
      return {
        raw,
        draw: async (screen) => (await import('./node-screen.ts')).nodeScreen(printable(document), screen),
      };
    },
  },
  tasks: {
    help: 'the tasks assigned to this node, and what went wrong with them',
    ask: async (client) => {
      const { raw, document } = await client.tasks();
      return {
        raw,
        draw: async (screen) => (await import('./tasks-screen.ts')).tasksScreen(printable(document), screen),
      };
    },
  },
  gossip: {
    help: 'this node among the others: peers, networks, rows, queues, keys',
    ask: async (client) => {
      const { raw, document } = await client.gossip();
      return {
        raw,
        draw: async (screen, all) =>
          (await import('./gossip-screen.ts')).gossipScreen(printable(document), screen, all),
      };
    },
  },
  certs: {
    help: 'certificate, renewal, trusted roots',
    ask: async (client) => {
      const { raw, document } = await client.certs();
      return {
        raw,
        draw: async (screen) => (await import('./certs-screen.ts')).certsScreen(printable(document), screen),
      };
    },
  },
};

export function defineInspect(program: Command, context: CliContext): void {
  const names = Object.keys(TOPICS);
  const command = program
    .command('inspect')
    .description('Show one side of this node in full')
    .addArgument(new Argument('[topic]', 'what to show; everything if left out').choices(names))
    .option('--all', 'list everything, also what has no room on one screen')
    .addHelpText(
      'after',
      `\nTopics:\n${names.map((name) => `  ${name.padEnd(8)}${TOPICS[name]?.help}`).join('\n')}\n${EXAMPLES}`,
    )
    .action(async (topic: string | undefined) =>
      context.finish(await runInspect(context, topic, command.opts<InspectFlags>())),
    );
  addClientFlags(command);
}

const EXAMPLES = `
Examples:
  netd inspect tasks
  netd inspect tasks --json |
    jq -r '.tasks[] | select(.state == "failed") | .err'`;

async function runInspect(context: CliContext, name: string | undefined, flags: InspectFlags): Promise<ExitStatus> {
  const client = await clientFor(context, flags);
  const wanted = Object.entries(TOPICS).filter(([topic]) => name === undefined || topic === name);
  const answers = await Promise.all(wanted.map(async ([topic, { ask }]) => ({ topic, ...(await ask(client)) })));
  if (flags.json) {
    const whole = {
      schemaVersion: SCHEMA_VERSION,
      ...Object.fromEntries(answers.map(({ topic, raw }) => [topic, raw])),
    };
    printJson(context, name === undefined ? whole : answers[0]?.raw);
    return EXIT.ok;
  }
  const all = flags.all === true || !context.deps.isTTY;
  const screens = await Promise.all(answers.map(({ draw }) => draw(context.screen, all)));
  context.out(screens.join('\n'));
  return EXIT.ok;
}
