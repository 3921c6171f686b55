import type { Command } from 'commander';
import { createContext } from '#agent/cli/context.ts';
import { buildProgram } from '#agent/cli/program.ts';
import { systemClock } from '#base/clock.ts';
import { type HelpBlock, type HelpSection, helpSections } from './help-text.ts';
import { bold, italic, roffLine, roffParagraph, roffText, roffVerbatim } from './roff.ts';

const DESCRIPTION = [
  `It joins real managers with a normal join token, runs their tasks on the local Docker engine, which is not in swarm mode itself,
  and carries their overlay networks. To a manager and to the other nodes it is one more worker.`,
  `"netd agent" is the daemon; the other commands ask it over a unix socket. Containers belong to the engine: they run on while netd
  is stopped, restarted or upgraded.`,
];

/** See agent/main.ts. */
const SIGNALS = [
  [
    'SIGTERM, SIGINT',
    'The agent stops. Containers run on, and their networks stay in the kernel. A second signal ends it at once.',
  ],
] as const;

const SEE_ALSO = 'docker(1), dockerd(8), systemctl(1), journalctl(1)';

/** The manual page netd(8), made from the commands themselves, so that it cannot fall behind them. */
export function manualPage(version: string): string {
  const { program, textBelow } = commandTree(version);
  const help = program.createHelp();
  // The command "help" is commander's own, and says nothing that this page does not.
  const commands = help.visibleCommands(program).filter((command) => program.commands.includes(command));
  const sections = helpSections(textBelow(program));
  return [
    '.\\" Made from the commands of netd by its build.',
    `.TH NETD 8 "" "netd ${roffText(version)}" "System Administration"`,
    '.ad l',
    '.SH NAME',
    `netd \\- ${roffText('worker node for Docker Swarm managers')}`,
    '.SH SYNOPSIS',
    commands.map((command) => usage(program, command)).join('\n.br\n'),
    '.SH DESCRIPTION',
    roffParagraph(program.description()),
    ...DESCRIPTION.flatMap(paragraph),
    '.SH COMMANDS',
    ...commands.flatMap((command) => commandPart(program, command, helpSections(textBelow(command)))),
    ...sections.filter(({ title }) => title !== '').flatMap(sectionPart),
    '.SH SIGNALS',
    ...SIGNALS.flatMap(([name, text]) => item(bold(name), text)),
    '.SH "SEE ALSO"',
    roffLine(SEE_ALSO),
    ...sections.filter(({ title }) => title === '').flatMap(({ blocks }) => blocks.flatMap(block)),
    '',
  ].join('\n');
}

/** The commands, with nothing behind them that could run, and what `--help` says below the options of one. */
export function commandTree(version: string): { program: Command; textBelow: (command: Command) => string } {
  let said = '';
  const sink = { write: (text: string) => (said += text) };
  const context = createContext(
    {
      version,
      stdout: sink,
      stderr: sink,
      stdin: (async function* () {})(),
      env: {},
      isTTY: false,
      columns: 80,
      clock: systemClock,
      startAgent: () => Promise.reject(new Error('a manual starts nothing')),
    },
    () => {},
  );
  const textBelow = (command: Command) => {
    said = '';
    command.outputHelp();
    return said.slice(command.helpInformation().length);
  };
  return { program: buildProgram(context), textBelow };
}

function commandPart(program: Command, command: Command, below: readonly HelpSection[]): string[] {
  const help = program.createHelp();
  return [
    `.SS "${roffText(command.name())}"`,
    usage(program, command),
    ...paragraph(`${command.description() || help.subcommandDescription(command)}.`.replace(/\.\.$/, '.')),
    ...help
      .visibleArguments(command)
      .flatMap((argument) => item(italic(argument.name()), help.argumentDescription(argument))),
    ...help.visibleOptions(command).flatMap((option) => item(flags(option.flags), help.optionDescription(option))),
    ...below.flatMap(({ title, blocks }) => [...(title === '' ? [] : ['.PP', bold(title)]), ...blocks.flatMap(block)]),
  ];
}

function sectionPart({ title, blocks }: HelpSection): string[] {
  return [`.SH "${roffText(title.toUpperCase())}"`, ...blocks.flatMap(block)];
}

function usage(program: Command, command: Command): string {
  const name = `${program.name()} ${command.name()}`;
  const words = program.createHelp().commandUsage(command).slice(name.length);
  return `${bold(name)}${roffText(words)}`;
}

/** `-f, --force` or `--token <token>`: what is typed as it is, and what stands for something. */
function flags(text: string): string {
  return text.replace(/<([^>]+)>|[^<]+/g, (part, name: string | undefined) =>
    name === undefined ? part.replace(/[^\s,]+/g, bold) : italic(name),
  );
}

function item(tag: string, text: string): string[] {
  return ['.TP', tag, roffParagraph(text)];
}

function paragraph(text: string): string[] {
  return ['.PP', roffParagraph(text)];
}

function block(part: HelpBlock): string[] {
  return part.tag === 'text' ? paragraph(part.text) : ['.PP', roffVerbatim(part.lines)];
}
