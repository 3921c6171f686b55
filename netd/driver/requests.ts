import * as z from 'zod/mini';

/**
 * What the engine asks of a network driver: the bodies of its POST requests, as Docker 20.10 to 28.5 send them. Members
 * netd has no use for are let through unread.
 */

/** 64 hex digits from Docker; others have other ids, which are names of files and rows here, so no odd characters. */
const id = z.string('is not an id').check(z.regex(/^[0-9A-Za-z_.-]{1,64}$/, 'is not an id'));

/** Options are what a user or the engine wrote: of any type, and by Docker null where there are none. */
const options = z.pipe(
  z.nullish(z.record(z.string(), z.unknown())),
  z.transform((value) => value ?? {}),
);

const network = z.object({ NetworkID: id });
const endpoint = z.object({ NetworkID: id, EndpointID: id });

const text = z._default(z.string(), '');
const assigned = z.pipe(
  z.nullish(z.object({ Address: text, AddressIPv6: text, MacAddress: text })),
  z.transform((value) => ({ address: value?.Address ?? '', mac: value?.MacAddress ?? '' })),
);

/** What the null IPAM driver answers. */
const NO_POOL = '0.0.0.0/0';
const pools = z.pipe(
  z.nullish(z.array(z.object({ Pool: text }))),
  z.transform((value) => (value ?? []).map(({ Pool }) => Pool).filter((pool) => pool !== '' && pool !== NO_POOL)),
);

export const createNetworkRequest = z.object({ NetworkID: id, Options: options, IPv4Data: pools });
export const deleteNetworkRequest = network;
export const createEndpointRequest = z.extend(endpoint, { Interface: assigned, Options: options });
export const endpointRequest = endpoint;
export const joinRequest = z.extend(endpoint, {
  /** Path of the container's network namespace. */
  SandboxKey: z.string().check(z.startsWith('/', 'is not an absolute path'), z.maxLength(4096)),
  Options: options,
});

/** Driver options of the network (`docker network create -o`) arrive under this key, all strings. */
const GENERIC = 'com.docker.network.generic';

/** The string options of a network, flat. */
export function networkOptions(given: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const generic = z.record(z.string(), z.unknown()).safeParse(given[GENERIC]);
  return strings(generic.success ? generic.data : {});
}

/** The string options of an endpoint: `DriverOpts` of the container arrive beside the engine's own. */
export function endpointOptions(given: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  return strings(given);
}

function strings(given: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(given).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])));
}
