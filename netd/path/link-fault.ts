import type { PathLink } from './facts.ts';

/** IF_OPER_* of linux/if.h. */
const IF_OPER_NOTPRESENT = 1;
const IF_OPER_DOWN = 2;
const IF_OPER_LOWERLAYERDOWN = 3;

/** Why no packet goes through a link, in words that follow its name; undefined if one can. */
export function linkFault(link: PathLink | undefined): string | undefined {
  if (link === undefined) return 'is not there';
  if (!link.isUp) return 'is down';
  switch (link.operState) {
    case IF_OPER_NOTPRESENT:
    case IF_OPER_DOWN:
      return 'has no carrier';
    case IF_OPER_LOWERLAYERDOWN:
      return 'is up, and its other end is down';
    default:
      return undefined;
  }
}
