import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { bold, italic, roffLine, roffParagraph, roffText, roffVerbatim } from './roff.ts';

describe('roff', () => {
  it.each([
    ['plain words', 'plain words'],
    ['--json', '\\-\\-json'],
    ['C:\\n', 'C:\\en'],
    [`'a' "b" \`c\` ~ ^`, '\\(aqa\\(aq \\(dqb\\(dq \\(gac\\(ga \\(ti \\(ha'],
    ['… → 𝄞', '\\[u2026] \\[u2192] \\[u1D11E]'],
    ['a\tb', 'a\\[u0009]b'],
  ])('writes %j so that it says just that', (text, escaped) => {
    expect(roffText(text)).toBe(escaped);
  });

  it('takes no text for a request', () => {
    expect([roffLine('.so /etc/passwd'), roffLine("'so x"), roffLine('a.b')]).toEqual([
      '\\&.so /etc/passwd',
      '\\(aqso x',
      'a.b',
    ]);
    expect(roffParagraph('one\n.two\n  three ')).toBe('one .two three');
    expect(roffParagraph('.one, --two-three')).toBe('\\&.one, \\%\\-\\-two\\-three');
    expect(roffVerbatim(['.a', '  b'])).toBe('.RS 4\n.EX\n\\&.a\n  b\n.EE\n.RE');
    expect([bold('-x'), italic('a.b')]).toEqual(['\\fB\\-x\\fR', '\\fIa.b\\fR']);
  });

  const hasGroff = spawnSync('groff', ['--version']).status === 0;
  it.runIf(hasGroff)('comes out of groff as it went in', () => {
    const lines = ['.dot \'quote\' "double" `grave` ~ ^ \\e --flag', "'second …→"];
    const page = `.TH T 8\n.SH S\n${roffVerbatim(lines)}\n`;
    const { stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-Kutf8', '-P-cbou', '-ww'], {
      input: page,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    for (const line of lines) expect(stdout).toContain(line);
  });
});
