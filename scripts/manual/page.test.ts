import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { completionModel } from '#agent/cli/completion-model.ts';
import { commandTree, manualPage } from './page.ts';
import { bold } from './roff.ts';

const page = manualPage('1.2.3');
const { program } = commandTree('1.2.3');

describe('the manual page', () => {
  it('has the sections people look for, in the order they expect', () => {
    expect([...page.matchAll(/^\.SH "?([^"\n]+)"?$/gm)].map(([, title]) => title)).toEqual([
      'NAME',
      'SYNOPSIS',
      'DESCRIPTION',
      'COMMANDS',
      'FIRST STEPS',
      'FILES',
      'ENVIRONMENT',
      'EXIT STATUS',
      'SIGNALS',
      'SEE ALSO',
    ]);
  });

  it.each(program.commands.map((command) => [command.name(), command] as const))('has all of netd %s', (name) => {
    const part = page.split('\n.SS ').find((text) => text.startsWith(`"${name}"\n`)) ?? '';
    const { flags = [] } = completionModel(program).commands.find((command) => command.name === name) ?? {};
    expect(flags.length).toBeGreaterThan(0);
    for (const { long } of flags) expect(part).toContain(bold(long));
    expect(page.split('.SH DESCRIPTION')[0]).toContain(bold(`netd ${name}`));
  });

  const hasMan = spawnSync('man', ['--version']).status === 0;
  it.runIf(hasMan)('is a page that man has nothing to say against', () => {
    const env = { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '80', MAN_KEEP_FORMATTING: '' };
    const { stdout, stderr, status } = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', '-'], {
      input: page,
      encoding: 'utf8',
      env,
    });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(stdout).toContain('netd join --token SWMTKN-1-… MANAGER:2377');
    expect(stdout).toContain('netd 1.2.3');
  });
});
