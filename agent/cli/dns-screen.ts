import type { DnsDocument, LookupDocument } from '#agent/api/documents.ts';
import type { ContainerDnsFact } from '#agent/api/network-facts.ts';
import { moreLine } from './more-line.ts';
import { table } from './table.ts';
import { type Palette, type Row, rows, type Screen } from './text.ts';

/** More containers than this do not fit a screen. */
const MOST_SHOWN = 20;

const COLUMNS = [
  { title: 'CONTAINER', min: 12 },
  { title: 'STATE' },
  { title: 'NETWORKS', min: 10 },
  { title: 'SERVERS', min: 10 },
  { title: 'ASKED' },
  { title: 'ANSWERED' },
  { title: 'FORWARDED' },
  { title: 'FAILED' },
  { title: 'WAITING' },
] as const;

/** `netd inspect dns`: who is served, from which networks, by which servers. */
export function dnsScreen({ hostServers, containers }: DnsDocument, screen: Screen, all: boolean): string {
  const host = {
    label: 'This host',
    text:
      hostServers.length === 0 ? 'has no name servers in its resolv.conf' : `asks ${hostServers.join(', ')} for names`,
  };
  const head = rows([host], screen);
  if (containers.length === 0)
    return `${head.join('\n')}\n\nNo container here is served names: none is on an overlay network.\n`;
  const isWell = ({ state }: ContainerDnsFact) => state === 'serving';
  const ordered = containers.toSorted((a, b) => Number(isWell(a)) - Number(isWell(b)));
  const shown = all ? containers : ordered.slice(0, MOST_SHOWN);
  const list = shown.map((one) => {
    const { container, state, error, networks, counters, waiting } = one;
    const cells = [
      container,
      { text: state, paint: isWell(one) ? screen.palette.green : screen.palette.red },
      networks.map(({ name, names }) => `${name} (${names})`).join(', '),
      serversText(one),
      ...[counters.queries, counters.answered, counters.forwarded, counters.failed, waiting].map(String),
    ];
    return error === null ? { cells } : { cells, note: { text: error, paint: screen.palette.red } };
  });
  const lines = [
    ...table(COLUMNS, list, screen),
    ...moreLine(containers.length - shown.length, 'containers', 'dns', screen),
  ];
  return `${head.join('\n')}\n\n${lines.join('\n')}\n`;
}

function serversText({ servers, internalOnly }: ContainerDnsFact): string {
  if (servers.length === 0) return internalOnly ? 'none: internal only' : 'none';
  return servers.map(({ address, from }) => (from === 'host' ? address : `${address} (from inside)`)).join(', ');
}

/** `netd inspect dns CONTAINER NAME`: how a question is answered, and why so. */
export function lookupScreen({ container, explanation }: LookupDocument, screen: Screen): string {
  const { palette } = screen;
  if (explanation === null) {
    const text = `no resolver of netd serves ${container}: "netd inspect dns" says why`;
    return `${rows([{ label: 'Answer', text, paint: palette.red }], screen).join('\n')}\n`;
  }
  const { name, type, searched, records, outcome } = explanation;
  const winner = outcome.kind === 'addresses' ? outcome.network : undefined;
  const list: Row[] = [
    { label: 'Question', text: `${name} ${type}, asked by ${container}` },
    { label: 'Searched', text: searched.join(', then ') || 'no network' },
    ...records.map(({ network, key, addresses }) => {
      const won = records.length > 1 && network === winner;
      return {
        label: 'Record',
        text: `${network} has ${key}: ${addresses.join(', ')}${won ? ' (the first: it wins)' : ''}`,
      };
    }),
    ...outcomeRows(explanation, palette),
  ];
  return `${rows(list, screen).join('\n')}\n`;
}

type Explained = NonNullable<LookupDocument['explanation']>;

function outcomeRows({ outcome }: Explained, palette: Palette): Row[] {
  const label = 'Answer';
  switch (outcome.kind) {
    case 'addresses':
      return outcome.addresses.map(({ address, endpoints }) => ({
        label,
        text: `${address}${endpoints.length > 0 ? `, of ${endpoints.map((one) => one.name).join(', ')}` : ''}`,
      }));
    case 'no-records':
      return [{ label, text: `no records: ${outcome.reason}`, paint: palette.yellow }];
    case 'pointer':
      return [{ label, text: outcome.target }];
    case 'forward':
      return [
        {
          label,
          text: `forwarded to ${outcome.servers.map(({ address, from }) => `${address} (from the ${from})`).join(', then ')}`,
        },
      ];
    case 'servfail':
      return [{ label, text: `SERVFAIL: ${outcome.reason}`, paint: palette.red }];
  }
}
