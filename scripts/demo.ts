import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBed } from '#test/hosts/bed.ts';
import { testbedCache } from '#test/hosts/engine-roots.ts';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import { busyboxImage, imageOf } from '#test/hosts/image.ts';
import { type Netd, startNetd } from '#test/hosts/netd.ts';
import { type Swarm, swarmInit } from '#test/hosts/swarm.ts';

/**
 * `npm start`: a small real swarm on this machine. One real dockerd manager, two workers with a plain engine and netd each,
 * all three in namespaces of their own; services run on the netd workers, and everything stays up until Ctrl-C.
 *
 *   --once   shows it working and ends (for checks without a person)
 */

const once = process.argv.includes('--once');
const interactive = process.stdout.isTTY === true;
/** Where the demo puts a small command for each host. */
const COMMANDS = '/tmp/netd-demo';
const WEB = 'netd/web:1';
const DATABASE = 'netd/redis:1';
/** What the web server answers with: it counts in the database, which it finds by the name of its service. */
const VISITS = String.raw`#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
visits=$(printf 'INCR visits\r\nQUIT\r\n' | nc -w 5 database 6379 | sed -n 's/^:\([0-9]*\).*/\1/p')
echo "visit $visits, served by $(hostname)"
`;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

async function main(): Promise<void> {
  for (const signal of SIGNALS) process.on(signal, leaveAtOnce);
  await using bed = await createBed();
  const [manager, worker1, worker2] = await step(
    'making three hosts in namespaces, each with its own Docker engine',
    () => Promise.all(['manager', 'worker1', 'worker2'].map((name) => startHost(bed.host(name)))),
  );
  if (!manager || !worker1 || !worker2) throw new Error('three hosts were asked for');
  const swarm = await step('making the manager’s engine a swarm manager (docker swarm init)', () => swarmInit(manager));
  const netds = await step('starting netd on the two workers and joining (netd join)', () =>
    Promise.all([worker1, worker2].map((host) => joinNetd(host, swarm))),
  );
  await step('deploying three services on the netd workers (docker service create)', () => deploy(manager));
  using _commands = hostCommands([manager, worker1, worker2]);
  await show(manager, netds);
  if (once) return;
  say(PLAY);
  await untilTold();
  say('\nEnding the swarm and cleaning up …');
}

async function startHost(made: Promise<Host>): Promise<Host> {
  const host = await made;
  const manager = host.name === 'manager';
  await host.engine.start(manager ? {} : { liveRestore: true });
  if (manager) return host;
  mkdirSync(host.path('/usr/local/bin'), { recursive: true });
  writeFileSync(host.path('/usr/local/bin/netd'), '#!/bin/sh\nexec node /opt/netd/agent/main.ts "$@"\n', {
    mode: 0o755,
  });
  const serve = 'mkdir cgi-bin; printf %s "$VISITS" >cgi-bin/visits; chmod +x cgi-bin/visits; exec httpd -f -p 80';
  const web = busyboxImage({ Cmd: ['sh', '-c', serve], Env: [`VISITS=${VISITS}`], WorkingDir: '/tmp' });
  const redis = ['redis-server', '--protected-mode', 'no', '--save', ''];
  await host.engine.load(web, WEB);
  await host.engine.load(imageOf(readFileSync(join(testbedCache(), 'images/redis.tar')), { Cmd: redis }), DATABASE);
  return host;
}

async function joinNetd(host: Host, swarm: Swarm): Promise<Netd> {
  const netd = await startNetd(host);
  await netd.join(swarm);
  return netd;
}

async function deploy(manager: Host): Promise<void> {
  const common = ['service', 'create', '--detach', '--no-resolve-image', '--constraint', 'node.role==worker'];
  const host = ['--hostname', '{{.Service.Name}}-{{.Task.Slot}}-on-{{.Node.Hostname}}'];
  // Names resolve to the tasks themselves: balancing by a virtual address needs IPVS, which not every kernel has.
  const net = ['--network', 'shop', '--endpoint-mode', 'dnsrr'];
  await manager.docker('network', 'create', '--driver', 'overlay', 'shop');
  await manager.docker(...common, ...net, '--name', 'database', DATABASE);
  const web = ['--name', 'web', '--mode', 'global', '--publish', 'mode=host,target=80,published=8080'];
  await manager.docker(...common, ...net, ...web, ...host, WEB);
  await manager.run(['docker', 'secret', 'create', 'greeting', '-'], { input: 'hello from a secret\n' });
  const greeter = ['--name', 'greeter', '--replicas', '4', '--secret', 'greeting'];
  await manager.docker(
    ...common,
    ...greeter,
    ...host,
    WEB,
    'sh',
    '-c',
    'cat /run/secrets/greeting; hostname; exec sleep 1d',
  );
  await eventually(
    'all tasks run',
    async () => {
      const states = await manager.docker('service', 'ls', '--format', '{{.Name}} {{.Replicas}}');
      return ['database 1/1', 'web 2/2', 'greeter 4/4'].every((state) => states.includes(state));
    },
    { timeoutMs: 120_000 },
  );
}

async function show(manager: Host, netds: readonly Netd[]): Promise<void> {
  await command(manager, ['docker', 'node', 'ls']);
  await command(manager, [
    'docker',
    'service',
    'ps',
    'database',
    'web',
    'greeter',
    '--format',
    'table {{.Name}}\t{{.Node}}\t{{.CurrentState}}\t{{.Ports}}',
  ]);
  for (const { host } of [...netds, ...netds]) {
    await command(manager, ['curl', '--silent', `http://${host.address}:8080/cgi-bin/visits`]);
  }
  await command(manager, ['docker', 'service', 'logs', '--raw', 'greeter']);
  for (const { host } of netds.slice(0, 1)) await command(host, ['netd', 'status']);
}

/** Runs a command in a host, showing it as a person at that host would see it. */
async function command(host: Host, argv: readonly string[]): Promise<void> {
  const { stdout, stderr } = await host.exec(argv);
  const shown = argv.map((word) => (/[\s{]/.test(word) ? `'${word.replaceAll('\t', '\\t')}'` : word)).join(' ');
  say(`\n${bold(`${host.name}# ${shown}`)}\n${(stdout + stderr).trimEnd()}`);
}

/** A command for each host that runs what follows inside it. */
function hostCommands(hosts: readonly Host[]): Disposable {
  rmSync(COMMANDS, { recursive: true, force: true });
  mkdirSync(COMMANDS, { mode: 0o755 });
  for (const { name, pid } of hosts) {
    const path = join(COMMANDS, name);
    const enter = `nsenter --target=${pid} --mount --pid --net --uts --ipc --`;
    const env = 'env PATH=/opt/netd/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    writeFileSync(path, `#!/bin/sh\n[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"\nexec ${enter} ${env} "\${@:-sh}"\n`);
    chmodSync(path, 0o755);
  }
  return { [Symbol.dispose]: () => rmSync(COMMANDS, { recursive: true, force: true }) };
}

const PLAY = `
The swarm stays up. In another terminal:
  ${COMMANDS}/manager docker service scale greeter=8
  ${COMMANDS}/manager docker service logs --follow greeter
  ${COMMANDS}/manager docker node update --availability drain worker2
  ${COMMANDS}/worker1 netd inspect
  ${COMMANDS}/worker1 netd inspect gossip
  ${COMMANDS}/worker1 docker ps
  ${COMMANDS}/worker1                      # a shell on that host
Press Ctrl-C to end it and clean up.`;

async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  process.stdout.write(`${what} …`);
  if (!interactive) process.stdout.write('\n');
  try {
    return await work();
  } finally {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    process.stdout.write(interactive ? ` ${seconds} s\n` : `  done in ${seconds} s\n`);
  }
}

/** Interrupted before everything is up, there is nothing to end in order: the bed cleans up after a process that is gone. */
function leaveAtOnce(): void {
  rmSync(COMMANDS, { recursive: true, force: true });
  say('\nInterrupted: cleaning up …');
  process.exit(130);
}

async function untilTold(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of SIGNALS) process.off(signal, leaveAtOnce).on(signal, () => resolve());
  const keepAlive = setInterval(() => {}, 60_000);
  await promise;
  clearInterval(keepAlive);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function bold(text: string): string {
  return interactive && !process.env.NO_COLOR ? `\u001b[1m${text}\u001b[0m` : text;
}

await main();
