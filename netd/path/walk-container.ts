import type { ContainerFacts, OriginNetwork, WalkFacts } from './facts.ts';
import { type Hop, note, ok, wrong } from './hop.ts';
import { linkFault } from './link-fault.ts';
import { insideMend } from './mends.ts';
import { isInside, plain } from './subnet.ts';

/** What happens inside the container: its interface, the route it chooses, what it believes of the next hop. */
export function walkContainer(facts: WalkFacts, network: OriginNetwork): Hop[] {
  const { container, origin } = facts;
  const { sandboxKey = '', interfaceName } = network.endpoint;
  if (container === undefined) {
    const found = `the network namespace ${sandboxKey} of ${origin.name} is gone`;
    return [wrong('interface', 'container', found, 'The container has ended: its task is replaced by the manager.')];
  }
  if (interfaceName === undefined) {
    const found = `the engine has not given ${origin.name} its interface on network ${network.name} yet`;
    return [
      wrong(
        'interface',
        'container',
        found,
        'Wait for the start of the container to end; the log of the engine says more.',
      ),
    ];
  }
  return [
    interfaceHop(container, network, interfaceName, sandboxKey),
    routeHop(facts, container, network, interfaceName, sandboxKey),
    ...neighbourHop(facts, container, network, interfaceName, sandboxKey),
  ];
}

function interfaceHop(
  { links }: ContainerFacts,
  { name, endpoint }: OriginNetwork,
  device: string,
  sandbox: string,
): Hop {
  const link = links.get(device);
  const fault = linkFault(link);
  if (link === undefined || fault !== undefined) {
    return wrong(
      'interface',
      'container',
      `the interface ${device} on network ${name} ${fault}`,
      insideMend(sandbox, `ip link set ${device} up`),
    );
  }
  if (!link.addresses.includes(endpoint.address)) {
    const has = link.addresses.length === 0 ? 'no address' : link.addresses.join(', ');
    const found = `the interface ${device} on network ${name} has ${has} instead of ${endpoint.address}`;
    return wrong(
      'interface',
      'container',
      found,
      insideMend(sandbox, `ip address add ${endpoint.address} dev ${device}`),
    );
  }
  if (link.mac !== endpoint.mac) {
    const found = `the interface ${device} has the hardware address ${link.mac}; the other nodes were told ${endpoint.mac}`;
    return wrong('interface', 'container', found, insideMend(sandbox, `ip link set ${device} address ${endpoint.mac}`));
  }
  return ok(
    'interface',
    'container',
    `${device} on network ${name}: ${endpoint.address}, ${link.mac}, MTU ${link.mtu}, up`,
  );
}

function routeHop(
  { address }: WalkFacts,
  { route }: ContainerFacts,
  network: OriginNetwork,
  device: string,
  sandbox: string,
): Hop {
  const own = plain(network.endpoint.address);
  const home = network.subnets.find(({ subnet }) => isInside(subnet, own));
  const isDirect = home !== undefined && isInside(home.subnet, address);
  const wanted = isDirect ? `${home.subnet} dev ${device}` : `${address} via ${home?.gateway} dev ${device}`;
  const mend = insideMend(sandbox, `ip route add ${wanted}`);
  if (route === undefined) return wrong('route', 'container', `there is no route to ${address}`, mend);
  const { gateway, source, device: out } = route;
  const text = `${address}${gateway === undefined ? '' : ` via ${gateway}`} dev ${out}, source ${source ?? 'none'}`;
  if (out !== device) {
    return wrong(
      'route',
      'container',
      `the route leads elsewhere: ${text}, not ${device}`,
      insideMend(sandbox, 'ip route'),
    );
  }
  if (isDirect ? gateway !== undefined : gateway !== home?.gateway) {
    return wrong('route', 'container', `the route takes another next hop than it should: ${text}`, mend);
  }
  if (source !== own) return note('route', 'container', `${text}; the address on this network is ${own}`);
  return ok('route', 'container', text);
}

/** A hardware address that nobody has any more swallows every packet until the container asks again. */
function neighbourHop(
  { address, way, overlay }: WalkFacts,
  { neighbour }: ContainerFacts,
  network: OriginNetwork,
  device: string,
  sandbox: string,
): Hop[] {
  if (neighbour === undefined) return [];
  const { ip, mac } = neighbour;
  if (mac === undefined)
    return [note('neighbour', 'container', `${ip} was asked for on ${device} lately, and nobody answered`)];
  const text = `${ip} at ${mac} on ${device}`;
  const wanted = ip === address ? (way?.winner?.mac ?? way?.local?.mac) : undefined;
  if (wanted !== undefined && wanted !== mac) {
    const found = `the container remembers ${text}; it is at ${wanted} by now`;
    return [wrong('neighbour', 'container', found, insideMend(sandbox, `ip neighbour flush dev ${device}`))];
  }
  const isGateway = network.subnets.some(({ gateway }) => gateway === ip);
  const bridges = [...(overlay?.links.values() ?? [])].filter(({ addresses }) =>
    addresses.some((one) => plain(one) === ip),
  );
  const [bridge] = bridges;
  if (isGateway && bridge?.mac !== undefined && bridge.mac !== mac) {
    const found = `the container remembers ${text}; the gateway is at ${bridge.mac} by now`;
    return [wrong('neighbour', 'container', found, insideMend(sandbox, `ip neighbour flush dev ${device}`))];
  }
  return [ok('neighbour', 'container', text)];
}
