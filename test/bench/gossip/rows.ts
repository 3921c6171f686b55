import { encodeEndpoint, encodeOverlayPeer } from '#netd/gossip/records.ts';

/** Rows as Docker nodes write them: in turns an endpoint of a service's task, and where that endpoint is. */
export function realisticRow(index: number): { readonly table: string; readonly key: string; readonly value: Buffer } {
  const endpoint = index >> 1;
  const key = endpoint.toString(16).padStart(8, '0').repeat(8);
  const ip = `10.${endpoint >> 16}.${(endpoint >> 8) & 255}.${endpoint & 255}`;
  if (index % 2 === 1) {
    const mac = ['02', '42', ...ip.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))].join(':');
    const tunnelIp = `192.168.${(endpoint >> 8) & 255}.${endpoint & 255}`;
    const value = encodeOverlayPeer({ ip, prefixLength: 8, mac, tunnelIp });
    return { table: 'overlay_peer_table', key, value };
  }
  const value = encodeEndpoint({
    name: `web.${endpoint}.${key.slice(0, 25)}`,
    service: { id: `service${endpoint % 100}`.padEnd(25, '0'), name: `web${endpoint % 100}` },
    virtualIp: '10.0.0.2',
    ip,
    ingressPorts: [],
    aliases: [],
    taskAliases: [key.slice(0, 12)],
    disabled: false,
  });
  return { table: 'endpoint_table', key, value };
}
