import { isIP } from 'node:net';
import { NetdError } from '#base/errors.ts';
import { parseHostPort } from '#pki/address.ts';

/** An interface that is up, with its addresses as plain text: no prefix length, no zone. */
export interface HostInterface {
  readonly name: string;
  readonly addresses: readonly string[];
}

export type AddressFlag = '--advertise-addr' | '--data-path-addr';

/** A host with hundreds of container interfaces should not fill the screen with them. */
const INTERFACES_NAMED = 12;

/**
 * The address that `--advertise-addr` or `--data-path-addr` means: `IP|INTERFACE[:PORT]`, as `docker swarm join` takes it (the
 * port says nothing: the gossip has one for the whole cluster). Of an interface it is the one IPv4 address, or the one IPv6
 * address where there is no IPv4 (spec gossip §17.2).
 *
 * @throws NetdError `address-not-local` with the interfaces and addresses there are, `address-ambiguous`, or `bad-address`
 */
export function localAddress(flag: AddressFlag, text: string, interfaces: readonly HostInterface[]): string {
  const { host } = parseHostPort(text, 0);
  if (isIP(host) === 0) return addressOf(flag, host, interfaces);
  if (isUnspecified(host)) {
    throw new NetdError('address-not-local', `${flag} ${host}: every node has that address, so no peer could use it`, {
      mend: `Give one of ${inventory(interfaces)}.`,
    });
  }
  if (isLocal(host, interfaces)) return host;
  throw new NetdError('address-not-local', `${flag} ${host} is not an address of this host`, {
    mend:
      `Give one of ${inventory(interfaces)}. Behind a router that translates addresses, add the outer one to this host first: ` +
      `ip address add ${host}/${host.includes(':') ? 128 : 32} dev lo`,
  });
}

/**
 * Refuses a join whose addresses are not of this host.
 *
 * @throws NetdError as `localAddress` does
 */
export function checkAddresses(
  { advertiseAddr, dataPathAddr }: { readonly advertiseAddr: string | null; readonly dataPathAddr: string | null },
  interfaces: readonly HostInterface[],
): void {
  if (advertiseAddr !== null) localAddress('--advertise-addr', advertiseAddr, interfaces);
  if (dataPathAddr !== null) localAddress('--data-path-addr', dataPathAddr, interfaces);
}

/** Whether an interface of this host has the address. */
export function isLocal(ip: string, interfaces: readonly HostInterface[]): boolean {
  const wanted = canonical(ip);
  return interfaces.some(({ addresses }) => addresses.some((address) => canonical(address) === wanted));
}

function addressOf(flag: AddressFlag, name: string, interfaces: readonly HostInterface[]): string {
  const found = interfaces.find((one) => one.name === name);
  if (found === undefined) {
    throw new NetdError('address-not-local', `${flag} ${name}: this host has no interface of that name that is up`, {
      mend: `Give one of ${inventory(interfaces)}.`,
    });
  }
  const usable = found.addresses.filter((address) => !isLinkLocal(address));
  const ipv4 = usable.filter((address) => isIP(address) === 4);
  const candidates = ipv4.length > 0 ? ipv4 : usable;
  const [first, ...others] = candidates;
  if (first === undefined) {
    throw new NetdError('address-not-local', `${flag} ${name}: that interface has no address peers could reach`, {
      mend: `Give one of ${inventory(interfaces)}.`,
    });
  }
  if (others.length > 0) {
    throw new NetdError('address-ambiguous', `${flag} ${name}: that interface has several addresses`, {
      mend: `Give one of ${candidates.join(', ')}.`,
    });
  }
  return first;
}

/** `eth0=10.0.0.5, eth1=192.168.3.5`, the addresses that can be given. */
function inventory(interfaces: readonly HostInterface[]): string {
  const all = interfaces
    .filter(({ name }) => name !== 'lo')
    .flatMap(({ name, addresses }) =>
      addresses.filter((address) => !isLinkLocal(address)).map((address) => `${name}=${address}`),
    );
  if (all.length === 0) return 'the addresses of this host (none of its interfaces has one now)';
  const more = all.length > INTERFACES_NAMED ? ` and ${all.length - INTERFACES_NAMED} more` : '';
  return `${all.slice(0, INTERFACES_NAMED).join(', ')}${more}`;
}

/** RFC 3927 and RFC 4291: reached only from the same link, and in IPv6 only with a zone. */
function isLinkLocal(ip: string): boolean {
  return /^169\.254\./.test(ip) || /^fe[89ab][0-9a-f]:/i.test(ip);
}

function isUnspecified(ip: string): boolean {
  return canonical(ip) === '0.0.0.0' || canonical(ip) === '::';
}

/** The one spelling of an IPv6 address (RFC 5952), as the URL parser writes it. */
function canonical(ip: string): string {
  return isIP(ip) === 6 && !ip.includes('%') ? new URL(`http://[${ip}]`).hostname.slice(1, -1) : ip;
}
