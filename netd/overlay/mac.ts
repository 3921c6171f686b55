// Hardware addresses of endpoints, in lower-case colon form.

/** 02:42 and the four octets: remote ARP caches outlive a move of the address because of this (spec dataplane §1.6). */
export function macOfIp(ip: string): string {
  return `02:42:${ip
    .split('.')
    .map((octet) => Number(octet).toString(16).padStart(2, '0'))
    .join(':')}`;
}

/** True for what one interface can have: six octets, not a group address, not all zero. */
export function isUnicastMac(mac: string): boolean {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return false;
  return mac !== '00:00:00:00:00:00' && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;
}
