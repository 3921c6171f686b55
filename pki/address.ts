import { NetdError } from '#base/errors.ts';

/** Where a manager listens. */
export interface ManagerAddress {
  /** Host name or IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, IPv6 in brackets: the form SwarmKit's peer lists use. */
  readonly text: string;
}

/** The port swarm managers listen on unless told otherwise (spec swarmkit-worker §0.2). */
export const DEFAULT_MANAGER_PORT = 2377;

/**
 * Reads `HOST[:PORT]`, `A.B.C.D[:PORT]` or `[IPv6][:PORT]`.
 *
 * @throws NetdError `bad-address` that quotes the text and says what is wrong with it
 */
export function parseManagerAddress(input: string): ManagerAddress {
  const text = input.trim();
  if (text === '') throw badAddress(text, 'it is empty');
  if (text.includes('://')) throw badAddress(text, 'it has a scheme; managers are named by host and port alone');
  if (text.includes(',')) throw badAddress(text, 'it holds a comma; give several managers as separate arguments');
  if (isIPv6(text))
    throw badAddress(text, `an IPv6 address must be in brackets, as in [${text}]:${DEFAULT_MANAGER_PORT}`);
  const match = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:[\]]*))(?::(?<port>.*))?$/.exec(text);
  if (!match?.groups) throw badAddress(text, 'it is not HOST, HOST:PORT or [IPv6]:PORT');
  const { v6, name, port } = match.groups;
  if (v6 !== undefined && !isIPv6(v6)) throw badAddress(text, 'what stands in the brackets is not an IPv6 address');
  if (v6 === undefined) checkHostName(text, name ?? '');
  return managerAddress(v6 ?? name ?? '', port === undefined ? DEFAULT_MANAGER_PORT : parsePort(text, port));
}

function managerAddress(host: string, port: number): ManagerAddress {
  return { host, port, text: isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}` };
}

/** Host names as resolvers take them (RFC 1123 plus the underscore of container names); dotted quads pass as well. */
function checkHostName(text: string, name: string): void {
  if (name === '') throw badAddress(text, 'it has no host');
  if (name.length > 253 || !/^[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_.])?$/.test(name)) {
    throw badAddress(text, 'its host is neither an IP address nor a host name');
  }
  if (/^[\d.]+$/.test(name) && !/^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$/.test(name)) {
    throw badAddress(text, 'its host looks like an IPv4 address and is not one');
  }
}

function parsePort(text: string, port: string): number {
  const value = Number(port);
  if (!/^\d{1,5}$/.test(port) || value < 1 || value > 65535) {
    throw badAddress(text, 'its port must be a number from 1 to 65535');
  }
  return value;
}

/** The URL parser knows IPv6; the character check keeps everything else away from it. */
function isIPv6(text: string): boolean {
  return /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(text) && URL.canParse(`http://[${text}]/`);
}

function badAddress(text: string, problem: string): NetdError {
  return new NetdError('bad-address', `${JSON.stringify(text)} is not the address of a manager: ${problem}`, {
    mend: 'Give it as `docker swarm join-token worker` prints it on a manager: HOST:2377.',
  });
}
