/** What stands below the options in a help text, in parts: so that a manual page says the same in its own form. */
export type HelpBlock =
  | { readonly tag: 'text'; readonly text: string }
  | { readonly tag: 'verbatim'; readonly lines: readonly string[] };

/** Blocks below a line such as `Examples:`; what stands below none has an empty title. */
export interface HelpSection {
  readonly title: string;
  readonly blocks: readonly HelpBlock[];
}

/** A line of its own, of words alone: "…, and two lists:" at the end of a paragraph is none. */
const TITLE = /^([A-Z][A-Za-z ]*):$/;

/**
 * Reads a help text: indented lines are kept as they are, others are paragraphs. A section ends at the next title, or at a paragraph
 * after its indented lines.
 */
export function helpSections(text: string): readonly HelpSection[] {
  const sections: { title: string; blocks: HelpBlock[] }[] = [];
  for (const group of groups(text)) {
    const title = TITLE.exec(group[0] ?? '')?.[1];
    const last = sections.at(-1);
    if (title !== undefined) sections.push({ title, blocks: blocksOf(group.slice(1)) });
    else if (last === undefined || last.title !== '') sections.push({ title: '', blocks: blocksOf(group) });
    else last.blocks.push(...blocksOf(group));
  }
  return sections;
}

/** Lines between empty lines. */
function groups(text: string): string[][] {
  return text
    .split(/\n\s*\n/)
    .map((group) => group.split('\n').filter((line) => line.trim() !== ''))
    .filter((group) => group.length > 0);
}

function blocksOf(lines: readonly string[]): HelpBlock[] {
  const blocks: HelpBlock[] = [];
  let rest = lines;
  while (rest.length > 0) {
    const isVerbatim = rest[0]?.startsWith(' ') === true;
    const end = rest.findIndex((line) => line.startsWith(' ') !== isVerbatim);
    const own = end === -1 ? rest : rest.slice(0, end);
    rest = rest.slice(own.length);
    blocks.push(
      isVerbatim
        ? { tag: 'verbatim', lines: own.map((line) => line.replace(/^ {2}/, '')) }
        : { tag: 'text', text: own.join(' ') },
    );
  }
  return blocks;
}
