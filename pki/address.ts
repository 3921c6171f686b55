import { NetdError } from '#base/errors.ts';

/** Where something listens. */
export interface HostPort {
  /** An IPv4 address, an IPv6 address without brackets, or a name. */
  readonly host: string;
  readonly port: number;
}

/** Where a manager listens. */
export interface ManagerAddress extends HostPort {
  /** `host:port`, IPv6 in brackets: the form SwarmKit's peer lists use. */
  readonly text: string;
}

/** The port swarm managers listen on unless told otherwise (spec swarmkit-worker §0.2). */
export const DEFAULT_MANAGER_PORT = 2377;

/** Longest name of a host (RFC 1035 §2.3.4), in its text form. */
const MAX_NAME = 253;
/** A name by RFC 1123 (underscores allowed, as resolvers and container names have them), or that of an interface. */
const NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/;
const IPV4 = /^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$/;

/**
 * Reads `HOST`, `HOST:PORT`, `[IPv6]`, `[IPv6]:PORT` or a bare IPv6 address.
 *
 * @param defaultPort taken when the text has no port; without it a port is required.
 * @throws NetdError `bad-address` that quotes the text and says what is wrong with it
 */
export function parseHostPort(text: string, defaultPort?: number): HostPort {
  const refuse = (problem: string) =>
    new NetdError('bad-address', `${JSON.stringify(text)}: ${problem}`, {
      mend: 'Allowed: HOST:PORT, with an IPv6 address in brackets, such as 10.0.0.5:2377 or [fd00::5]:2377.',
    });
  const { host, port = defaultPort } = readAddress(text, refuse);
  if (port === undefined) throw refuse('the port is missing');
  return { host, port };
}

/** The text form: `host:port`, with brackets around IPv6. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Reads `HOST[:PORT]` or `[IPv6][:PORT]`. A bare IPv6 address is refused: its end may be meant as the port.
 *
 * @throws NetdError `bad-address` that quotes the text and says what is wrong with it
 */
export function parseManagerAddress(input: string): ManagerAddress {
  const text = input.trim();
  const refuse = (problem: string) =>
    new NetdError('bad-address', `${JSON.stringify(text)} is not the address of a manager: ${problem}`, {
      mend: 'Give it as `docker swarm join-token worker` prints it on a manager: HOST:2377.',
    });
  if (isIPv6(text)) throw refuse(`an IPv6 address must be in brackets, as in [${text}]:${DEFAULT_MANAGER_PORT}`);
  const { host, port = DEFAULT_MANAGER_PORT } = readAddress(text, refuse);
  if (host.includes('%')) throw refuse('an IPv6 address with a zone means something on one host only');
  return { host, port, text: formatHostPort({ host, port }) };
}

type Refuse = (problem: string) => NetdError;

function readAddress(text: string, refuse: Refuse): { readonly host: string; readonly port?: number } {
  if (text === '') throw refuse('it is empty');
  if (text.includes('://')) throw refuse('it has a scheme; give host and port alone');
  if (text.includes(',')) throw refuse('it holds a comma; several addresses are given as separate arguments');
  if (isIPv6(text)) return { host: text };
  const match = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:[\]]*))(?::(?<port>.*))?$/.exec(text);
  if (!match?.groups) throw refuse('it is not HOST, HOST:PORT or [IPv6]:PORT');
  const { v6, name = '', port } = match.groups;
  if (v6 === undefined) checkName(name, refuse);
  else if (!isIPv6(v6)) throw refuse('what stands in the brackets is not an IPv6 address');
  const host = v6 ?? name;
  return port === undefined ? { host } : { host, port: readPort(port, refuse) };
}

function checkName(name: string, refuse: Refuse): void {
  if (name === '') throw refuse('it has no host');
  if (name.length > MAX_NAME || !NAME.test(name)) throw refuse('its host is neither an IP address nor a host name');
  if (/^[\d.]+$/.test(name) && !IPV4.test(name)) throw refuse('its host looks like an IPv4 address and is not one');
}

function readPort(text: string, refuse: Refuse): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw refuse('its port must be a number from 1 to 65535');
  return port;
}

/** With a zone or without (RFC 4291, RFC 4007). The URL parser knows IPv6; the character check keeps everything else away from it. */
function isIPv6(text: string): boolean {
  const [address = '', zone, ...rest] = text.split('%');
  if (rest.length > 0 || (zone !== undefined && !/^[A-Za-z0-9._-]+$/.test(zone))) return false;
  return /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(address) && URL.canParse(`http://[${address}]/`);
}
