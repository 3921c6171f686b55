import { isIP } from 'node:net';

/** What netd uses of a resolv.conf(5). */
export interface ResolvConf {
  /** Numeric addresses in order; IPv6 ones may have a scope. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly ndotsExplicit: boolean;
}

/** More than resolvers read of one (glibc: 3 servers, 6 domains, in older versions). */
const MAX_SERVERS = 16;
const MAX_SEARCH = 32;

/** The address of the stub that systemd-resolved keeps on a host; it is of no use to others. */
const SYSTEMD_STUB = '127.0.0.53';

/** Reads a resolv.conf. What is no address or unknown is left out, as resolvers do. The last `search` or `domain` counts. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let search: string[] = [];
  let ndotsExplicit = false;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    const [value] = values;
    if (keyword === 'nameserver' && value !== undefined && isServer(value)) servers.push(value);
    else if (keyword === 'search') search = values;
    else if (keyword === 'domain' && value !== undefined) search = [value];
    else if (keyword === 'options') ndotsExplicit ||= values.some((option) => option.startsWith('ndots:'));
  }
  return { servers: servers.slice(0, MAX_SERVERS), search: search.slice(0, MAX_SEARCH), ndotsExplicit };
}

/** True if the only server is systemd-resolved's stub: the servers themselves are then in a file of its own. */
export function isSystemdStub({ servers }: ResolvConf): boolean {
  return servers.length === 1 && servers[0] === SYSTEMD_STUB;
}

function isServer(address: string): boolean {
  const [ip = '', scope] = address.split('%');
  const family = isIP(ip);
  return family === 4 ? scope === undefined : family === 6;
}
