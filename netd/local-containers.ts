import { NetdError } from '#base/errors.ts';
import type { DesiredAttachment, DesiredNetworks } from './desired.ts';
import type { LocalEndpoint } from './overlay/endpoint.ts';

/** A container of this host that is on networks of the swarm, as people know it. */
export interface LocalContainer {
  /** Path of its network namespace. */
  readonly sandboxKey: string;
  /** What the other nodes know it by; the short id of an endpoint while the agent has not told. */
  readonly name: string;
  readonly taskId: string | undefined;
  readonly service: string | undefined;
  /** Short id and host name. */
  readonly aliases: readonly string[];
  readonly endpoints: readonly LocalEndpoint[];
}

/** Digits of an id that people see. */
const SHORT_ID_DIGITS = 12;
/** Fewer digits of an id than this are more likely a name. */
const LEAST_ID_DIGITS = 4;
/** More names than this help nobody who mistyped one. */
const NAMES_TOLD = 20;

/** The containers on networks of this host, by name. */
export function localContainers(
  endpoints: readonly LocalEndpoint[],
  desired: DesiredNetworks | undefined,
): LocalContainer[] {
  const attachments = desired?.attachments ?? [];
  const joined = endpoints.filter(({ sandboxKey }) => sandboxKey !== undefined);
  return [...Map.groupBy(joined, ({ sandboxKey }) => sandboxKey ?? '')]
    .map(([sandboxKey, own]) => containerOf(sandboxKey, own, attachments))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The container that is meant by its name, that of its task or of its service, or the beginning of an id.
 *
 * @throws NetdError `no-such-container`, which says what there is, `ambiguous-container`
 */
export function findContainer(containers: readonly LocalContainer[], asked: string): LocalContainer {
  const ways: readonly ((one: LocalContainer) => boolean)[] = [
    ({ name, taskId }) => name === asked || taskId === asked,
    ({ aliases }) => aliases.includes(asked) || aliases.includes(asked.slice(0, SHORT_ID_DIGITS)),
    ({ name, taskId }) => taskId !== undefined && name === `${asked}.${taskId}`,
    ({ service }) => service === asked,
    ({ aliases, taskId = '' }) =>
      asked.length >= LEAST_ID_DIGITS && [taskId, ...aliases.filter(isId)].some((one) => one.startsWith(asked)),
  ];
  for (const way of ways) {
    const [first, ...others] = containers.filter(way);
    if (first === undefined) continue;
    if (others.length === 0) return first;
    throw new NetdError('ambiguous-container', `${asked} may be any of ${namesOf([first, ...others])}`, {
      mend: 'Give the full name.',
    });
  }
  throw new NetdError(
    'no-such-container',
    `no container of this host that is on an overlay network is called ${asked}`,
    {
      mend: containers.length === 0 ? 'There are none now.' : `There are ${namesOf(containers)}.`,
    },
  );
}

function containerOf(
  sandboxKey: string,
  endpoints: readonly LocalEndpoint[],
  attachments: readonly DesiredAttachment[],
): LocalContainer {
  const places = endpoints.flatMap(
    ({ networkId, address }) => attachments.find((one) => one.networkId === networkId && one.address === address) ?? [],
  );
  // The agent finds the names of a plain container a moment later on one network than on another.
  const place = places.find(({ binding }) => binding.row.name !== '') ?? places[0];
  const { row } = place?.binding ?? {};
  return {
    sandboxKey,
    name: row?.name || `endpoint ${endpoints[0]?.endpointId.slice(0, SHORT_ID_DIGITS)}`,
    taskId: place?.taskId,
    service: row?.service?.name,
    aliases: row?.taskAliases ?? [],
    endpoints,
  };
}

function isId(alias: string): boolean {
  return /^[0-9a-f]+$/.test(alias);
}

function namesOf(containers: readonly LocalContainer[]): string {
  const names = containers.slice(0, NAMES_TOLD).map(({ name }) => name);
  const more = containers.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
