import { NetdError } from '#base/errors.ts';

export interface HostPort {
  /** An IPv4 address, an IPv6 address without brackets, or a name. */
  readonly host: string;
  readonly port: number;
}

/** A name by RFC 1123 (underscores allowed, as resolvers allow them), an IPv4 address, or an interface name. */
const NAME = /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$/;
/** The characters an IPv6 address may have (RFC 4291, with the zone of RFC 4007); the resolver judges the rest. */
const IPV6 = /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?$/;

/**
 * Reads `HOST`, `HOST:PORT`, `[V6]:PORT` or a bare IPv6 address.
 *
 * @param defaultPort taken when the text has no port; without it a port is required.
 * @throws NetdError `bad-address`, saying what is wrong with the text.
 */
export function parseHostPort(text: string, defaultPort?: number): HostPort {
  const { host, portText } = splitHostPort(text);
  if (!NAME.test(host) && !IPV6.test(host)) throw bad(text, 'the host is neither a name nor an address');
  if (portText === undefined) {
    if (defaultPort === undefined) throw bad(text, 'the port is missing');
    return { host, port: defaultPort };
  }
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535) throw bad(text, 'the port is not a number from 1 to 65535');
  return { host, port };
}

/** The text form: `host:port`, with brackets around IPv6. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function splitHostPort(text: string): { host: string; portText: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed) {
    if (!IPV6.test(bracketed[1] ?? '')) throw bad(text, 'brackets are for IPv6 addresses');
    return { host: bracketed[1] ?? '', portText: bracketed[2] };
  }
  const colons = text.split(':').length - 1;
  if (colons !== 1) return { host: text, portText: undefined };
  const at = text.indexOf(':');
  return { host: text.slice(0, at), portText: text.slice(at + 1) };
}

function bad(text: string, why: string): NetdError {
  return new NetdError('bad-address', `"${text}": ${why}`, {
    mend: 'Allowed: HOST:PORT, with an IPv6 address in brackets, such as 10.0.0.5:2377 or [fd00::5]:2377.',
  });
}
