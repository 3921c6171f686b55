import type { StatusDocument } from '#agent/api/documents.ts';
import { type ClusterState, TASK_STATES } from '#agent/api/view.ts';
import { dateAndTime, duration, durationSince } from './duration.ts';
import { memberCounts } from './gossip-screen.ts';
import { problemLines } from './problem-lines.ts';
import { type Palette, type Row, rows, type Screen } from './text.ts';

/** The least terminal anybody still has. */
const SCREEN_LINES = 24;

/** `worker-1 is ready`: what stands after the name of the host. */
const STATE_WORDS: Readonly<Record<ClusterState, readonly [verb: string, words: string, paint: keyof Palette]>> = {
  'not-joined': ['is', 'not part of a swarm', 'yellow'],
  joining: ['is', 'joining', 'yellow'],
  connecting: ['is', 'connecting', 'yellow'],
  ready: ['is', 'ready', 'green'],
  disconnected: ['is', 'disconnected', 'red'],
  removed: ['was', 'removed from the swarm', 'red'],
  'certificate-expired': ['has', 'an expired certificate', 'red'],
  leaving: ['is', 'leaving', 'yellow'],
};

/**
 * The status on one screen: which cluster, which manager, since when, certificate until when, tasks by state, what is wrong
 * and what to do about it. Facts that do not apply are left out. With `all`, every problem, however many lines that takes.
 */
export function statusScreen(status: StatusDocument, screen: Screen, all: boolean): string {
  const facts = rows(factRows(status, screen.palette), screen);
  const lines = [headLine(status, screen), '', ...facts];
  if (status.problems.length > 0) {
    // One line stays free for the prompt.
    const room = all ? Number.POSITIVE_INFINITY : SCREEN_LINES - 1 - (lines.length + 1);
    lines.push('', ...problemLines(status.problems, status.at, screen, room));
  }
  return `${lines.join('\n')}\n`;
}

function headLine({ agent, cluster, at }: StatusDocument, { palette, width }: Screen): string {
  const [verb, words, paint] = STATE_WORDS[cluster.state];
  const right = `netd ${agent.version}, up ${durationSince(agent.startedAt, at)}`;
  const left = `${agent.hostname} ${verb} ${words}`;
  const gap = Math.max(2, width - left.length - right.length);
  return `${palette.bold(agent.hostname)} ${verb} ${palette[paint](words)}${' '.repeat(gap)}${palette.dim(right)}`;
}

function factRows(status: StatusDocument, palette: Palette): Row[] {
  return [
    ...clusterRows(status),
    ...joinRow(status),
    ...managerRow(status, palette),
    ...certificateRow(status),
    ...gossipRow(status, palette),
    ...networksRow(status, palette),
    engineRow(status, palette),
    ...taskRows(status, palette),
    ...outboxRow(status),
  ];
}

function clusterRows({ cluster }: StatusDocument): Row[] {
  const list: Row[] = [];
  if (cluster.clusterId !== null) list.push({ label: 'Cluster', text: cluster.clusterId });
  if (cluster.nodeId !== null) {
    const availability = cluster.availability === null ? '' : `, availability ${cluster.availability}`;
    list.push({ label: 'Node', text: `${cluster.nodeId}, worker${availability}` });
  }
  return list;
}

function joinRow({ cluster }: StatusDocument): Row[] {
  if (cluster.joining === null) return [];
  const { step, attempt, address } = cluster.joining;
  const through = address === null ? '' : ` at ${address}`;
  const doing = {
    'root-ca': `asking for the root certificate${through}`,
    certificate: `asking for a certificate${through}`,
    session: `registering${through}`,
  };
  return [{ label: 'Join', text: doing[step] + (attempt > 1 ? `, attempt ${attempt}` : '') }];
}

function managerRow({ cluster, session, managers, at }: StatusDocument, palette: Palette): Row[] {
  if (cluster.nodeId === null) return [];
  const known = managers.length === 1 ? '1 manager known' : `${managers.length} managers known`;
  if (session.manager !== null) {
    const since = session.since === null ? '' : `, connected for ${durationSince(session.since, at)}`;
    return [{ label: 'Manager', text: `${session.manager.addr}${since} (${known})` }];
  }
  if (cluster.state === 'leaving' || cluster.state === 'joining') return [];
  const waitMs = session.nextAttemptAt === null ? 0 : Date.parse(session.nextAttemptAt) - Date.parse(at);
  const next = waitMs >= 1_000 ? `, next attempt in ${duration(waitMs)}` : '';
  return [
    {
      label: 'Manager',
      text: `none for ${durationSince(cluster.since, at)}${next} (${known})`,
      paint: palette.red,
    },
  ];
}

function certificateRow({ certificates: held, at }: StatusDocument): Row[] {
  if (held === null) return [];
  const leftMs = Date.parse(held.notAfter) - Date.parse(at);
  if (leftMs <= 0) return [{ label: 'Certificate', text: `expired on ${dateAndTime(held.notAfter)}` }];
  const renewal = held.renewAt === null ? '' : `, renewal ${renewalTime(held.renewAt, at)}`;
  return [{ label: 'Certificate', text: `until ${dateAndTime(held.notAfter)} (${duration(leftMs)})${renewal}` }];
}

function gossipRow({ gossip, at }: StatusDocument, palette: Palette): Row[] {
  const label = 'Gossip';
  const { node } = gossip;
  switch (gossip.state) {
    case 'off':
      return [];
    case 'waiting':
      return [{ label, text: 'waiting for keys from a manager', paint: palette.yellow }];
    case 'failing': {
      const lasting = gossip.since === null ? '' : ` for ${durationSince(gossip.since, at)}`;
      return [{ label, text: `not running${lasting}`, paint: palette.red }];
    }
    case 'searching':
      return [{ label, text: `${node?.address}, no other node found yet`, paint: palette.yellow }];
    case 'joined':
      return [{ label, text: `${node?.address}, peers: ${node ? memberCounts(node.members) : ''}` }];
  }
}

/** Only where there are any. */
function networksRow({ networks: { networks, drift } }: StatusDocument, palette: Palette): Row[] {
  if (networks.length === 0) return [];
  const notReady = networks.filter(({ state }) => state !== 'ready').length;
  const containers = networks.reduce((sum, { endpoints }) => sum + endpoints, 0);
  const peers = networks.reduce((sum, { remote }) => sum + remote.wanted, 0);
  const text = [
    `${networks.length}${notReady > 0 ? ` (${notReady} not ready)` : ''}, with ${containers} places of containers here and ${peers} elsewhere`,
    ...(drift.open.length > 0 ? [`${drift.open.length} differences not mended`] : []),
  ].join('; ');
  return [{ label: 'Networks', text, ...(notReady > 0 || drift.open.length > 0 ? { paint: palette.yellow } : {}) }];
}

function renewalTime(renewAt: string, at: string): string {
  const waitMs = Date.parse(renewAt) - Date.parse(at);
  return waitMs <= 0 ? 'due now' : `in ${duration(waitMs)}`;
}

function engineRow({ engine, at }: StatusDocument, palette: Palette): Row {
  const version = engine.version === null ? '' : `${engine.version} (API ${engine.apiVersion ?? '?'}) `;
  switch (engine.state) {
    case 'up':
      return { label: 'Engine', text: `${version}at ${engine.address}` };
    case 'connecting':
      return { label: 'Engine', text: `connecting to ${engine.address}` };
    case 'down':
      return {
        label: 'Engine',
        text: `no answer for ${durationSince(engine.since, at)} at ${engine.address}`,
        paint: palette.red,
      };
    case 'stuck':
      return {
        label: 'Engine',
        text: `${version}stuck for ${durationSince(engine.since, at)} at ${engine.address}`,
        paint: palette.red,
      };
    case 'not-an-engine':
    case 'too-old':
    case 'in-swarm-mode':
      return { label: 'Engine', text: `${version}unusable at ${engine.address}`, paint: palette.red };
  }
}

function taskRows({ cluster, tasks }: StatusDocument, palette: Palette): Row[] {
  if (cluster.nodeId === null && tasks.total === 0) return [];
  if (tasks.total === 0) return [{ label: 'Tasks', text: 'none' }];
  const { running = 0 } = tasks.byState;
  const others = TASK_STATES.filter((state) => state !== 'running' && tasks.byState[state]);
  const counts = [`${running} running`, ...others.map((state) => `${tasks.byState[state]} ${state}`)];
  const missing = tasks.wanted > running;
  return [
    {
      label: 'Tasks',
      text: `${counts.join(', ')} (${tasks.wanted} wanted)`,
      ...(missing ? { paint: palette.yellow } : {}),
    },
  ];
}

function outboxRow({ outbox, at }: StatusDocument): Row[] {
  if (outbox.pending === 0) return [];
  const oldest = outbox.oldestAt === null ? '' : `, the oldest for ${durationSince(outbox.oldestAt, at)}`;
  return [{ label: 'Outbox', text: `${outbox.pending} task statuses wait to be sent${oldest}` }];
}
