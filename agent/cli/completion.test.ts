import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#base/clock.ts';
import { type CompletionModel, completionModel } from './completion-model.ts';
import { completionScript } from './completion-scripts.ts';
import { createContext } from './context.ts';
import { buildProgram } from './program.ts';

const program = buildProgram(
  createContext(
    {
      version: '0.1.0',
      stdout: { write: () => {} },
      stderr: { write: () => {} },
      stdin: (async function* () {})(),
      env: {},
      isTTY: false,
      columns: 80,
      clock: systemClock,
      startAgent: async () => 0,
    },
    () => {},
  ),
);
const model = completionModel(program);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'netd-completion-'));
  writeFileSync(join(directory, 'netd.bash'), completionScript(model, 'bash'));
  mkdirSync(join(directory, 'some-dir'));
  writeFileSync(join(directory, 'some-file'), '');
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What bash itself offers for these words; the last one is the one being typed. */
function complete(...words: string[]): string[] {
  const script = `
    set -u
    compopt() { :; }  # it works only while readline asks
    source ./netd.bash
    COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
    _netd
    printf '%s\\n' "\${COMPREPLY[@]-}"`;
  const text = execFileSync('bash', ['--norc', '-c', script, 'bash', ...words], { cwd: directory, encoding: 'utf8' });
  return text.split('\n').filter((line) => line !== '');
}

describe('completion in bash', () => {
  it('is registered for netd', () => {
    const text = execFileSync('bash', ['--norc', '-c', 'source ./netd.bash; complete -p netd'], {
      cwd: directory,
      encoding: 'utf8',
    });
    expect(text.trim()).toBe('complete -F _netd netd');
  });

  it.each<[string[], string[]]>([
    [['netd', 'st'], ['status']],
    [['netd', 'in'], ['inspect']],
    [['netd', '--v'], ['--version']],
    [
      ['netd', 'inspect', ''],
      [
        'node',
        'tasks',
        'networks',
        'gossip',
        'dns',
        'drift',
        'path',
        'certs',
        '--all',
        '--json',
        '--run-dir',
        '--help',
      ],
    ],
    [['netd', 'inspect', 't'], ['tasks']],
    [['netd', 'join', '--av'], ['--availability']],
    [
      ['netd', 'join', '--availability', ''],
      ['active', 'pause', 'drain'],
    ],
    [['netd', 'join', '--availability', '=', 'd'], ['drain']],
    [
      ['netd', 'join', '--availability', '='],
      ['active', 'pause', 'drain'],
    ],
    [['netd', 'join', '--token', ''], []],
    [
      ['netd', 'join', '--token-file', 'some'],
      ['some-dir', 'some-file'],
    ],
    [['netd', 'status', '--run-dir', 'some'], ['some-dir']],
    [
      ['netd', 'agent', '--log-level', ''],
      ['debug', 'info', 'warn', 'error'],
    ],
    [['netd', 'completion', 'b'], ['bash']],
    [['netd', 'help', 'le'], ['leave']],
    [['netd', 'nonsense', ''], []],
  ])('%j', (words, expected) => {
    expect(complete(...words).sort()).toEqual([...expected].sort());
  });

  it('knows every command and flag there is', () => {
    const commands = program.commands.map((command) => command.name());
    expect(complete('netd', '').sort()).toEqual([...commands, 'help', '--help', '--version'].sort());
    for (const command of program.commands) {
      const flags = command.options.map((option) => option.long ?? '');
      expect(complete('netd', command.name(), '--')).toEqual(expect.arrayContaining(flags));
    }
  });
});

describe('completion in the other shells', () => {
  const small: CompletionModel = {
    program: 'netd',
    commands: [
      {
        name: 'go',
        help: "Don't stop",
        words: ['left', 'right'],
        flags: [
          { long: '--fast', short: '-f', help: 'no brakes', value: { tag: 'none' } },
          { long: '--map', short: undefined, help: "driver's [own] map", value: { tag: 'file' } },
          { long: '--garage', short: undefined, help: 'where to', value: { tag: 'directory' } },
          { long: '--gear', short: undefined, help: 'which', value: { tag: 'words', words: ['1', '2'] } },
          { long: '--name', short: undefined, help: 'who', value: { tag: 'text' } },
        ],
      },
    ],
  };

  it('is written for zsh', () => {
    const script = completionScript(small, 'zsh');
    expect(script).toMatch(/^#compdef netd\n/);
    expect(script).toContain(`    'go:Don'\\''t stop'\n`);
    expect(script).toContain(
      `    go) _arguments '--fast[no brakes]' '--map[driver'\\''s own map]:file:_files' '--garage[where to]:directory:_files -/' '--gear[which]:value:(1 2)' '--name[who]:value:' '2:word:(left right)' ;;\n`,
    );
  });

  it('is written for fish', () => {
    const seen = `complete -c netd -n '__fish_seen_subcommand_from go'`;
    expect(completionScript(small, 'fish').split('\n').slice(1, -1)).toEqual([
      'complete -c netd -f',
      `complete -c netd -n __fish_use_subcommand -a go -d 'Don\\'t stop'`,
      `${seen} -a 'left right'`,
      `${seen} -l fast -s f -d 'no brakes'`,
      `${seen} -l map -r -F -d 'driver\\'s [own] map'`,
      `${seen} -l garage -x -a '(__fish_complete_directories)' -d 'where to'`,
      `${seen} -l gear -x -a '1 2' -d 'which'`,
      `${seen} -l name -x -d 'who'`,
    ]);
  });
});
