/**
 * The text with every join token in it cut down to its prefix. The last line of defence: nothing should put a token into a
 * message, but tokens are typed by hand, and a token in the wrong place of a command line ends up in an error text.
 */
export function withoutTokens(text: string): string {
  return text.replace(/SWMTKN-[0-9A-Za-z-]+/gi, 'SWMTKN-…');
}
