import { expect, it } from 'vitest';
import { helpSections } from './help-text.ts';

it('reads a help text in sections of paragraphs and of lines to be kept', () => {
  const text = `
A paragraph over
two lines, with a list:
  key: value
    deeper: 1

Exit status:
  0  fine

  1  not

Examples:
  netd status

The last word.`;
  expect(helpSections(text)).toEqual([
    {
      title: '',
      blocks: [
        { tag: 'text', text: 'A paragraph over two lines, with a list:' },
        { tag: 'verbatim', lines: ['key: value', '  deeper: 1'] },
      ],
    },
    { title: 'Exit status', blocks: [{ tag: 'verbatim', lines: ['0  fine'] }] },
    { title: '', blocks: [{ tag: 'verbatim', lines: ['1  not'] }] },
    { title: 'Examples', blocks: [{ tag: 'verbatim', lines: ['netd status'] }] },
    { title: '', blocks: [{ tag: 'text', text: 'The last word.' }] },
  ]);
  expect(helpSections('\n')).toEqual([]);
});
