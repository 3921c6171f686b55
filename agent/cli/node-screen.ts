import type { NodeDocument } from '#agent/api/documents.ts';
import type { DescriptionFact } from '#agent/api/view.ts';
import { dateAndTime, durationSince } from './duration.ts';
import { type Row, rows, type Screen } from './text.ts';

/** `netd inspect node`: how the swarm knows this node, the engine under it, and the agent itself. */
export function nodeScreen(document: NodeDocument, screen: Screen): string {
  const sections: [title: string, list: Row[]][] = [
    ['Swarm', swarmRows(document)],
    ['Description sent to the managers', descriptionRows(document.description, document.at)],
    ['Managers', managerRows(document)],
    ['Engine', engineRows(document)],
    ['Agent', agentRows(document)],
  ];
  return sections
    .filter(([, list]) => list.length > 0)
    .map(([title, list]) => {
      const body = rows(list, { ...screen, width: screen.width - 2 }).map((line) => `  ${line}`);
      return `${[screen.palette.bold(title), ...body].join('\n')}\n`;
    })
    .join('\n');
}

function swarmRows({ cluster, session, at }: NodeDocument): Row[] {
  const list: Row[] = [{ label: 'State', text: `${cluster.state} for ${durationSince(cluster.since, at)}` }];
  if (cluster.clusterId !== null) list.push({ label: 'Cluster', text: cluster.clusterId });
  if (cluster.nodeId !== null) list.push({ label: 'Node', text: cluster.nodeId });
  if (cluster.availability !== null) list.push({ label: 'Availability', text: cluster.availability });
  if (cluster.desiredRole !== null) list.push({ label: 'Role wanted', text: cluster.desiredRole });
  if (Object.keys(cluster.labels).length > 0) list.push({ label: 'Node labels', text: pairs(cluster.labels) });
  if (session.lastHeartbeatAt !== null) {
    const period =
      session.heartbeatPeriodMs === null ? '' : `, every ${(session.heartbeatPeriodMs / 1_000).toFixed(1)} s`;
    list.push({ label: 'Heartbeat', text: `answered ${durationSince(session.lastHeartbeatAt, at)} ago${period}` });
  }
  if (session.lastError !== null) {
    const when = session.lastErrorAt === null ? '' : ` (${durationSince(session.lastErrorAt, at)} ago)`;
    list.push({ label: 'Last error', text: session.lastError + when });
  }
  return list;
}

function descriptionRows(description: DescriptionFact | null, at: string): Row[] {
  if (description === null) return [];
  const plugins = Map.groupBy(description.plugins, (plugin) => plugin.type);
  const list: Row[] = [
    { label: 'Hostname', text: description.hostname },
    { label: 'Platform', text: `${description.os}/${description.architecture}` },
    { label: 'CPUs', text: String(description.nanoCpus / 1e9) },
    { label: 'Memory', text: `${(description.memoryBytes / 2 ** 30).toFixed(1)} GiB` },
  ];
  if (description.genericResources.length > 0) {
    const resources = description.genericResources.map(({ kind, value }) => `${kind}=${value}`);
    list.push({ label: 'Resources', text: resources.join(', ') });
  }
  list.push({ label: 'Engine', text: description.engineVersion });
  if (Object.keys(description.engineLabels).length > 0) {
    list.push({ label: 'Engine labels', text: pairs(description.engineLabels) });
  }
  for (const [type, members] of plugins) {
    list.push({ label: `${type} plugins`, text: members.map((plugin) => plugin.name).join(', ') });
  }
  const sent = description.sentAt === null ? 'not yet' : `${durationSince(description.sentAt, at)} ago`;
  return [...list, { label: 'Sent', text: sent }];
}

function managerRows({ managers, session }: NodeDocument): Row[] {
  return managers.map((manager) => ({
    label: manager.addr,
    text: `${manager.nodeId ?? 'node id not known yet'}, weight ${manager.weight}${
      manager.addr === session.manager?.addr ? ', in use' : ''
    }`,
  }));
}

function engineRows({ engine, at }: NodeDocument): Row[] {
  const optional: [string, string | null][] = [
    ['Version', engine.version],
    ['API', engine.apiVersion === null ? null : `${engine.apiVersion} (at least ${engine.minApiVersion} is needed)`],
    ['System', engine.operatingSystem],
    ['Kernel', engine.kernelVersion],
    ['Storage', engine.storageDriver],
    ['Live-restore', engine.liveRestore === null ? null : engine.liveRestore ? 'on' : 'off'],
    ['Error', engine.error],
  ];
  return [
    { label: 'State', text: `${engine.state} for ${durationSince(engine.since, at)}` },
    { label: 'Address', text: engine.address },
    ...optional.flatMap(([label, text]) => (text === null ? [] : [{ label, text }])),
  ];
}

function agentRows({ agent, at }: NodeDocument): Row[] {
  const set = Object.entries(agent.origins)
    .filter(([, origin]) => origin !== 'default')
    .map(([key, origin]) => `${key} (${origin})`);
  return [
    { label: 'Version', text: agent.version },
    {
      label: 'Process',
      text: `${agent.pid}, since ${dateAndTime(agent.startedAt)} (${durationSince(agent.startedAt, at)})`,
    },
    { label: 'State', text: agent.stateDir },
    { label: 'Run', text: agent.runDir },
    { label: 'Configuration', text: agent.configFile ?? 'no file' },
    { label: 'Set', text: set.length > 0 ? set.join(', ') : 'nothing: all defaults' },
  ];
}

function pairs(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => (value === '' ? key : `${key}=${value}`))
    .join(', ');
}
