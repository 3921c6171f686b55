import type { Screen } from './text.ts';

/** What has no room on one screen, and how to see it. @param topic what to inspect, with its words */
export function moreLine(count: number, what: string, topic: string, { palette }: Pick<Screen, 'palette'>): string[] {
  return count > 0 ? [palette.dim(`and ${count} more ${what}: netd inspect ${topic} --all`)] : [];
}
