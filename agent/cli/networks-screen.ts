import type { NetworksDocument } from '#agent/api/documents.ts';
import type { LinkFact, NetworkDetailFact, OverlayStateName } from '#agent/api/network-facts.ts';
import { durationSince } from './duration.ts';
import { moreLine } from './more-line.ts';
import { table } from './table.ts';
import { type Palette, type Row, rows, type Screen } from './text.ts';

/** More containers or hosts than this do not fit a screen beside the rest. */
const MOST_SHOWN = 20;

const ENDPOINT_COLUMNS = [
  { title: 'CONTAINER', min: 12 },
  { title: 'ADDRESS' },
  { title: 'INTERFACE' },
  { title: 'PORT' },
  { title: 'TOLD' },
] as const;

const PEER_COLUMNS = [{ title: 'HOST' }, { title: 'ADDRESSES' }, { title: 'NODE', min: 12 }] as const;

/** Why rows are held, in words. */
const HOLDS: Readonly<Record<string, string>> = {
  'no-gossip': 'there is no gossip to say what is gone',
  'catching-up': 'this node has just begun to listen to the others',
  'suddenly-empty': 'the last other node went, perhaps only for a moment',
};

const STATE_PAINT: Readonly<Record<OverlayStateName, keyof Palette>> = {
  waiting: 'yellow',
  ready: 'green',
  failed: 'red',
  refused: 'red',
};

/** `netd inspect networks`: every overlay network of this host, what is on it, and how the kernel has it. */
export function networksScreen(
  { networks, driverProblem, at }: NetworksDocument,
  screen: Screen,
  all: boolean,
): string {
  const blocks = networks.map((network) => networkLines(network, at, screen, all));
  if (driverProblem !== null) {
    blocks.unshift(rows([{ label: 'Driver', text: driverProblem, paint: screen.palette.red }], screen));
  }
  if (networks.length === 0) blocks.push(['No overlay network is on this host: no container here needs one.']);
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function networkLines(network: NetworkDetailFact, at: string, screen: Screen, all: boolean): string[] {
  const lines = rows(factRows(network, at, screen.palette), screen);
  return [...lines, ...endpointLines(network, screen, all), ...peerLines(network, screen, all)];
}

function factRows(network: NetworkDetailFact, at: string, palette: Palette): Row[] {
  const { id, name, state, reason, internal, mtu, namespace, subnets, findings, hold, adoption } = network;
  const because = reason === null ? '' : `: ${reason}`;
  const list: Row[] = [
    { label: 'Network', text: `${name} (${id})${internal ? ', internal' : ''}` },
    { label: 'State', text: `${state}${because}`, paint: palette[STATE_PAINT[state]] },
  ];
  if (mtu !== null) list.push({ label: 'Namespace', text: `${namespace}, MTU ${mtu}` });
  for (const { subnet, gateway, vni, bridge, vxlan } of subnets) {
    const links = [bridge, vxlan];
    const text = `${subnet}, gateway ${gateway}, VNI ${vni}: ${links.map(linkText).join(', ')}`;
    const isUp = links.every((link) => link.state === 'up');
    list.push({ label: 'Subnet', text, ...(isUp ? {} : { paint: palette.red }) });
  }
  list.push(rowsRow(network, palette));
  const refused = Object.entries(network.rows.refused);
  if (refused.length > 0) {
    const text = refused.map(([why, times]) => `${times} ${why}`).join(', ');
    list.push({ label: 'Refused', text: `rows not acted upon: ${text}`, paint: palette.yellow });
  }
  if (hold !== null)
    list.push({
      label: 'Held',
      text: `rows that vanish are kept for now: ${HOLDS[hold] ?? hold}`,
      paint: palette.yellow,
    });
  list.push(...passRows(network, at, palette));
  if (adoption !== null && adoption.repairs > 0) {
    list.push({
      label: 'Taken up',
      text: `${adoption.repairs} repairs at the start, ${adoption.destructive} took something away`,
    });
  }
  for (const { level, text } of findings) {
    list.push({
      label: level === 'error' ? 'Error' : 'Warning',
      text,
      paint: level === 'error' ? palette.red : palette.yellow,
    });
  }
  return list;
}

function linkText({ name, state }: LinkFact): string {
  return `${name} ${state}`;
}

function rowsRow({ rows: { known, wanted, programmed }, hold }: NetworkDetailFact, palette: Palette): Row {
  const text = `${known} of other nodes, ${wanted} ${wanted === 1 ? 'address' : 'addresses'} wanted, ${programmed} in the kernel`;
  return { label: 'Rows', text, ...(wanted === programmed || hold !== null ? {} : { paint: palette.yellow }) };
}

function passRows({ lastPass, drifted }: NetworkDetailFact, at: string, palette: Palette): Row[] {
  const drift = { label: 'Drift', text: drifted === 0 ? 'none' : `${drifted} found: netd inspect drift` };
  if (lastPass === null) return [drift];
  const { failures, ops, tookMs } = lastPass;
  const text = `${durationSince(lastPass.at, at)} ago, ${ops} ${ops === 1 ? 'change' : 'changes'} in ${Math.round(tookMs)} ms`;
  return [
    { label: 'Last pass', text },
    ...failures.map(({ op, reason }) => ({ label: 'Failed', text: `${op}: ${reason}`, paint: palette.red })),
    drift,
  ];
}

function endpointLines({ endpoints, name }: NetworkDetailFact, screen: Screen, all: boolean): string[] {
  if (endpoints.length === 0) return [];
  const { palette } = screen;
  const shown = all ? endpoints : endpoints.slice(0, MOST_SHOWN);
  const list = shown.map(({ id, container, address, interface: device, port, published, row }) => {
    const state = port?.state ?? 'not joined';
    const told = published
      ? { none: 'address', active: 'address and names', disabled: 'address, going' }[row]
      : 'nothing';
    return {
      cells: [
        container ?? `endpoint ${id.slice(0, 12)}`,
        address,
        device ?? '-',
        { text: state, paint: state === 'up' ? palette.green : palette.red },
        { text: told, ...(published ? {} : { paint: palette.yellow }) },
      ],
    };
  });
  const more = moreLine(endpoints.length - shown.length, 'containers', `networks ${name}`, screen);
  return ['', ...table(ENDPOINT_COLUMNS, list, screen), ...more];
}

function peerLines({ peers, name }: NetworkDetailFact, screen: Screen, all: boolean): string[] {
  if (peers.length === 0) return [];
  const { palette } = screen;
  const isWell = (peer: (typeof peers)[number]) => peer.nodes.every(({ state }) => state === 'alive');
  const ordered = peers.toSorted((a, b) => Number(isWell(a)) - Number(isWell(b)));
  const shown = all ? peers : ordered.slice(0, MOST_SHOWN);
  const list = shown.map((peer) => {
    const nodes = peer.nodes
      .map((node) => (node.state === 'alive' ? node.name : `${node.name} (${node.state})`))
      .join(', ');
    return {
      cells: [peer.vtep, String(peer.addresses), { text: nodes, ...(isWell(peer) ? {} : { paint: palette.yellow }) }],
    };
  });
  return [
    '',
    ...table(PEER_COLUMNS, list, screen),
    ...moreLine(peers.length - shown.length, 'hosts', `networks ${name}`, screen),
  ];
}
