import { installDnsRedirect } from '#netd/kernel/dns-redirect.ts';

/** Holds a redirect until it is killed. argv: the namespace file, the UDP port, the TCP port. */

const [namespace = '', udpPort, tcpPort] = process.argv.slice(2);
await installDnsRedirect(namespace, { udpPort: Number(udpPort), tcpPort: Number(tcpPort) });
process.stdout.write('holding\n');
setInterval(() => {}, 1 << 30);
