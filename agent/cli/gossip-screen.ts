import type { GossipDocument } from '#agent/api/documents.ts';
import { type GossipFact, type GossipPeerFact, MEMBER_STATES } from '#agent/api/gossip-facts.ts';
import { duration, durationSince } from './duration.ts';
import { type TableRow, table } from './table.ts';
import { type Palette, type Row, rows, type Screen } from './text.ts';

/** More peers or networks than this do not fit a screen: then those with trouble are what counts. */
const MOST_SHOWN = 20;

const PEER_COLUMNS = [
  { title: 'PEER' },
  { title: 'ADDRESS', min: 12 },
  { title: 'STATE' },
  { title: 'FOR' },
  { title: 'HEARD' },
  { title: 'TABLES' },
  { title: 'NETWORKS' },
  { title: 'ROWS' },
  { title: '' },
] as const;

const NETWORK_COLUMNS = [
  { title: 'NETWORK', min: 12 },
  { title: 'NODES' },
  { title: 'TABLE', min: 10 },
  { title: 'ROWS' },
  { title: 'OWN' },
  { title: 'GONE' },
  { title: 'QUEUED' },
  { title: '' },
] as const;

/** `netd inspect gossip`: this node among the others. With `all`, every peer and network, however many there are. */
export function gossipScreen(document: GossipDocument, screen: Screen, all: boolean): string {
  const { gossip, peers, networks } = document;
  const blocks = [rows(selfRows(document, screen.palette), screen)];
  if (gossip.node === null) return `${blocks.flat().join('\n')}\n`;
  if (networks.length > 0) blocks.push(networkLines(document, screen, all));
  if (peers.length > 0) blocks.push(peerLines(document, screen, all));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** `4 alive, 1 suspect`; the alive are always told. */
export function memberCounts(members: Readonly<Record<(typeof MEMBER_STATES)[number], number>>): string {
  return MEMBER_STATES.filter((state) => state === 'alive' || members[state] > 0)
    .map((state) => `${members[state]} ${state}`)
    .join(', ');
}

function selfRows({ gossip, at }: GossipDocument, palette: Palette): Row[] {
  const { node } = gossip;
  const list: Row[] = [stateRow(gossip, at, palette)];
  if (gossip.error !== null) list.push({ label: 'Error', text: gossip.error.what, paint: palette.red });
  if (gossip.unreachable !== null) {
    const { addresses, reason, since } = gossip.unreachable;
    const text = `${addresses.join(', ')} for ${durationSince(since, at)}: ${reason}`;
    list.push({ label: 'Unreachable', text, paint: palette.red });
  }
  if (gossip.keysRefused !== null) list.push({ label: 'Refused', text: gossip.keysRefused, paint: palette.yellow });
  if (node === null) return list;
  const { primary, others } = node.keys;
  const { queues, bulkSync, clocks } = node;
  return [
    ...list,
    { label: 'Peers', text: memberCounts(node.members) },
    healthRow(node.healthScore, palette),
    { label: 'Keys', text: `encrypts with ${primary}, understands ${others.join(' and ')} too (Lamport times)` },
    { label: 'Clocks', text: `network ${clocks.network}, tables ${clocks.table}, incarnation ${node.incarnation}` },
    { label: 'Rows', text: `${node.rows} on ${plural(node.attached, 'network')}` },
    {
      label: 'Queues',
      text: `members ${queues.members}, networks ${queues.networkEvents}, nodes ${queues.nodeEvents}${
        queues.overflows > 0 ? `; ${queues.overflows} dropped` : ''
      }`,
    },
    {
      label: 'Bulk sync',
      text: `${bulkSync.queued} queued, ${bulkSync.sending} sending, ${bulkSync.awaited} awaited`,
    },
    dataPathRow(gossip, palette),
    ...counterRows(node),
  ];
}

function stateRow({ state, since, node }: GossipFact, at: string, palette: Palette): Row {
  const lasting = since === null ? '' : ` for ${durationSince(since, at)}`;
  switch (state) {
    case 'off':
      return { label: 'Gossip', text: 'off: this node is not part of a swarm' };
    case 'waiting':
      return { label: 'Gossip', text: 'waiting for keys from a manager', paint: palette.yellow };
    case 'failing':
      return { label: 'Gossip', text: `not running${lasting}, being tried`, paint: palette.red };
    case 'searching':
      return { label: 'Gossip', text: `alone${lasting}, ${self(node)}`, paint: palette.yellow };
    case 'joined':
      return { label: 'Gossip', text: `joined${lasting}, ${self(node)}` };
  }
}

function self(node: GossipFact['node']): string {
  return node === null ? '' : `${node.name} at ${node.address}${node.leaving ? ', leaving' : ''}`;
}

/** Lifeguard's score: each point doubts ourselves once more before a peer is called dead. */
function healthRow(score: number, palette: Palette): Row {
  if (score === 0) return { label: 'Health', text: '0 of 7: well' };
  const text = `${score} of 7: answers are late here, so peers get more time before they are given up`;
  return { label: 'Health', text, paint: score > 3 ? palette.red : palette.yellow };
}

function dataPathRow({ dataPath, dataPathError }: GossipFact, palette: Palette): Row {
  const label = 'Data path';
  if (dataPathError !== null) return { label, text: dataPathError.what, paint: palette.red };
  return { label, text: dataPath === null ? 'none' : `${dataPath.address}, UDP port ${dataPath.port}` };
}

function counterRows({ counters, facts, refusedMessages }: NonNullable<GossipFact['node']>): Row[] {
  const told = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .filter(([, times]) => times > 0)
      .map(([name, times]) => `${words(name)} ${times}`);
  const refused = refusedMessages > 0 ? [`messages refused ${refusedMessages}`] : [];
  const list = [...told(counters), ...refused];
  return [
    ...(list.length > 0 ? [{ label: 'Counted', text: list.join(', ') }] : []),
    ...(Object.keys(facts).length > 0 ? [{ label: 'Happened', text: told(facts).join(', ') }] : []),
  ];
}

/** `tableEventsStale` and `udp-blocked` as words. */
function words(name: string): string {
  return name.replace(/-/g, ' ').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function networkLines({ networks }: GossipDocument, screen: Screen, all: boolean): string[] {
  const shown = all ? networks : networks.slice(0, MOST_SHOWN);
  const list = shown.flatMap(({ id, nodes, tables, queue, leaving, inSync }): TableRow[] => {
    const state = leaving ? 'leaving' : inSync ? '' : 'not in sync yet';
    const queued = String(queue.own + queue.relayed);
    const [first, ...others] = tables;
    const cells = (table: (typeof tables)[number] | undefined) =>
      table ? [table.name, String(table.rows), String(table.own), String(table.tombstones)] : ['no rows', '', '', ''];
    return [
      { cells: [id, String(nodes.length), ...cells(first), queued, state] },
      ...others.map((table) => ({ cells: ['', '', ...cells(table), '', ''] })),
    ];
  });
  return [...table(NETWORK_COLUMNS, list, screen), ...moreLine(networks.length - shown.length, 'networks', screen)];
}

const PAINT: Readonly<Record<GossipPeerFact['state'], keyof Palette>> = {
  alive: 'green',
  suspect: 'yellow',
  dead: 'red',
  left: 'dim',
};

function peerLines({ gossip, peers, at }: GossipDocument, screen: Screen, all: boolean): string[] {
  const shown = all ? peers : peers.toSorted((a, b) => rank(a) - rank(b)).slice(0, MOST_SHOWN);
  const hidden = peers.filter((peer) => !shown.includes(peer));
  const list = shown.map((peer) => ({
    cells: [
      peer.name,
      peer.address,
      { text: peer.state, paint: screen.palette[PAINT[peer.state]] },
      durationSince(peer.since, at),
      peer.heardAt === null ? '-' : `${duration(Date.parse(at) - Date.parse(peer.heardAt))} ago`,
      peer.status ?? 'forgotten',
      String(peer.networks.length),
      String(peer.rows),
      peer.address === gossip.node?.address ? 'this host, earlier' : peer.manager ? 'manager' : '',
    ],
  }));
  const rest = hidden.every((peer) => rank(peer) === RANK_WELL) ? 'peers, all alive' : 'peers';
  return [...table(PEER_COLUMNS, list, screen), ...moreLine(hidden.length, rest, screen)];
}

const RANK_WELL = 3;

/** Trouble first, then managers, then those that are well, then those that have left. */
function rank({ state, status, manager }: GossipPeerFact): number {
  if (state === 'suspect' || (state === 'alive' && status !== 'active')) return 0;
  if (state === 'dead') return 1;
  if (state === 'left') return 4;
  return manager ? 2 : RANK_WELL;
}

function moreLine(count: number, what: string, { palette }: Screen): string[] {
  return count > 0 ? [palette.dim(`and ${count} more ${what}: netd inspect gossip --all`)] : [];
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
