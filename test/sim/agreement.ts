import type { SimNode } from './world.ts';

/** What the simulation says each process should be telling: its networks, and its rows on them. */
export interface Wanted {
  /** Network, then key, then value. */
  readonly networks: Map<string, Map<string, string>>;
}

export const TABLE = 'endpoint_table';

/**
 * Compares what every running node believes with what is true. Returns the differences in words, at most `limit` of
 * them: none means that all agree on who is there, who is on which network, and which rows there are.
 */
export function disagreements(nodes: readonly SimNode[], wanted: ReadonlyMap<SimNode, Wanted>, limit = 5): string[] {
  const found: string[] = [];
  const names = new Set(nodes.map((node) => node.core.config.name));
  for (const node of nodes) {
    const who = `${node.core.config.name} (host ${node.index})`;
    const say = (text: string) => found.push(`${who} ${text}`);
    const believed = new Set<string>();
    for (const member of node.core.swim.state.members) {
      if (member.state === 'alive' || member.state === 'suspect') believed.add(member.name);
    }
    for (const name of names) if (!believed.has(name)) say(`does not know ${name}`);
    for (const name of believed) if (!names.has(name)) say(`believes in ${name}`);
    for (const network of wanted.get(node)?.networks.keys() ?? []) {
      compareNetwork(node, network, nodes, wanted, say);
      if (found.length >= limit) return found.slice(0, limit);
    }
  }
  return found.slice(0, limit);
}

function compareNetwork(
  node: SimNode,
  network: string,
  nodes: readonly SimNode[],
  wanted: ReadonlyMap<SimNode, Wanted>,
  say: (text: string) => void,
): void {
  const { state } = node.core.db;
  const attached = nodes.filter((other) => wanted.get(other)?.networks.has(network));
  const roster = new Set(state.rosters.get(network) ?? []);
  for (const other of attached) {
    if (!roster.delete(other.core.config.name)) say(`does not see ${other.core.config.name} on ${network}`);
  }
  for (const name of roster) say(`sees ${name} on ${network}`);
  const expected = new Map<string, string>();
  for (const other of attached) {
    for (const [key, value] of wanted.get(other)?.networks.get(network) ?? []) {
      expected.set(key, `${other.core.config.name}=${value}`);
    }
  }
  for (const row of state.rows.of(network)) {
    if (row.deleted) continue;
    const is = `${row.owner}=${Buffer.from(row.value).toString()}`;
    const should = expected.get(row.key);
    expected.delete(row.key);
    if (is !== should) say(`has ${network}/${row.key} ${is}, should be ${should ?? 'gone'}`);
  }
  for (const [key, should] of expected) say(`lacks ${network}/${key} ${should}`);
}
