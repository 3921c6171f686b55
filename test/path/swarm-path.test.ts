import { beforeAll, describe, expect, test } from 'vitest';
import type { DriftDocument, NetworksDocument, PathDocument } from '#agent/api/documents.ts';
import { patiently } from '#test/conformance/patiently.ts';
import { RUN_ON, Services } from '#test/conformance/services.ts';
import { MANAGER_VERSIONS, useHosts } from '#test/conformance/versions.ts';
import type { Host } from '#test/hosts/host.ts';
import { Netd } from '#test/hosts/netd.ts';
import { dockerJoin } from '#test/hosts/swarm.ts';
import { type Member, Mesh } from '#test/overlay-swarm/mesh.ts';

/** Three waits, each with its own words when it is over. */
const CUT_OFF = { timeout: 300_000 };

/** `netd inspect networks|dns|drift|path` in a real swarm: of what works, and of what was broken on purpose. */
describe.each(MANAGER_VERSIONS.slice(0, 1))('the overlay networks of a node under Docker $version', (version) => {
  const hosts = useHosts(version);
  const mesh = new Mesh('app');
  let docker: Host;
  let near: Netd;
  let far: Netd;
  let members: readonly Member[];

  beforeAll(async () => {
    const [swarm, d1, w1, w2] = await Promise.all([
      hosts.swarm('m1'),
      hosts.engineHost('d1'),
      hosts.engineHost('w1'),
      hosts.engineHost('w2'),
    ]);
    docker = d1;
    near = new Netd(w1);
    far = new Netd(w2);
    await Promise.all([dockerJoin(d1, swarm), joined(near, swarm), joined(far, swarm)]);
    const services = new Services(swarm.manager);
    await swarm.manager.docker('network', 'create', '--driver', 'overlay', '--attachable', 'app');
    await swarm.manager.docker('network', 'create', '--driver', 'overlay', 'other');
    const flags = ['--mode', 'global', '--stop-grace-period', '1s', '--network'];
    await services.create('each', RUN_ON, [...flags, 'app', '--endpoint-mode', 'dnsrr']);
    await services.create('vip', RUN_ON, [...flags, 'app']);
    await services.create('alone', RUN_ON, [...flags, 'other']);
    members = await mesh.settled([d1, w1, w2], 'each', 3);
  });

  const memberOn = (host: Host): Member => {
    const member = members.find((one) => one.host === host);
    if (member === undefined) throw new Error(`none of each runs on ${host.name}`);
    return member;
  };
  const path = async (to: string) => {
    const { exitCode: code, stdout, stderr } = await near.exec(['inspect', 'path', 'each', to, '--json']);
    if (code !== 0 && code !== 3) throw new Error(`exit status ${code}: ${stderr}`);
    const document: PathDocument = JSON.parse(stdout);
    expect(code).toBe(document.fault === null ? 0 : 3);
    return document;
  };
  const faultOf = async (to: string) => (await path(to)).fault?.hop;
  const fault = (step: string, to: string) =>
    patiently(`the path to ${to} shows ${step}`, async () => {
      const hop = await faultOf(to);
      if (hop?.step !== step) throw new Error(`it shows ${hop?.step ?? 'nothing wrong'}: ${hop?.found}`);
      return hop;
    });
  const well = (to: string) =>
    patiently(`the path to ${to} is well`, async () => {
      const hop = await faultOf(to);
      if (hop !== undefined) throw new Error(`${hop.step}: ${hop.found}`);
      return true;
    });
  const inspect = async <T>(...words: readonly string[]): Promise<T> =>
    JSON.parse(await near.run(['inspect', ...words, '--json']));

  test('are told with their containers, hosts, links and rows', async () => {
    const { networks } = await patiently('the tables are known whole', async () => {
      const document = await inspect<NetworksDocument>('networks', 'app');
      const hold = document.networks[0]?.hold;
      if (hold !== null) throw new Error(`held: ${hold}`);
      return document;
    });
    expect(networks).toMatchObject([{ name: 'app', state: 'ready', reason: null, mtu: 1450, drifted: 0 }]);
    const [app] = networks;
    expect(app?.subnets.map(({ bridge, vxlan }) => [bridge.state, vxlan.state])).toEqual([['up', 'up']]);
    const mine = app?.endpoints.find(({ container }) => container === memberOn(near.host).name);
    expect(mine).toMatchObject({ published: true, row: 'active', port: { state: 'up' } });
    expect(app?.peers.map(({ vtep }) => vtep)).toEqual([docker.address, far.host.address].sort());
    expect(app?.peers.flatMap(({ nodes }) => nodes.map(({ state }) => state))).toEqual(['alive', 'alive']);
    expect(await near.run(['inspect', 'networks'])).toContain('Network    app (');
    expect((await near.exec(['inspect', 'networks', 'nowhere'])).exitCode).toBe(1);
  });

  test('have names that are explained', async () => {
    const text = await near.run(['inspect', 'dns', 'each', 'each']);
    for (const { ip, name } of members) expect(text).toContain(`${ip}, of ${name}`);
    expect(await near.run(['inspect', 'dns', 'each', 'example.org'])).toMatch(/forwarded to|SERVFAIL/);
    const reverse = await near.run(['inspect', 'dns', 'each', memberOn(docker).ip, 'PTR']);
    expect(reverse).toContain(`${memberOn(docker).name}.app`);
    expect(await near.run(['inspect', 'dns'])).toContain(memberOn(near.host).name);
  });

  test('have ways with nothing wrong: to a node of Docker, to one of netd, to this one', async () => {
    for (const member of members) await well(member.name);
    const { walks } = await path('each');
    expect(walks.map(({ address }) => address).sort()).toEqual(members.map(({ ip }) => ip).sort());
    expect(await near.run(['inspect', 'path', 'each', memberOn(docker).ip])).toContain('Nothing is wrong');
  });

  test('tell of a virtual address, a name on another network, and a name that nobody has', async () => {
    const hop = await faultOf('vip');
    expect(hop).toMatchObject({ step: 'service', mend: expect.stringContaining('tasks.vip') });
    expect(await faultOf('alone')).toMatchObject({ step: 'name', found: expect.stringContaining('network other') });
    const nobody = await near.exec(['inspect', 'path', 'each', 'nobody']);
    expect(nobody).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/called nobody\n.*There are alone, each/s),
    });
    expect((await near.exec(['inspect', 'path', 'nobody', 'each'])).exitCode).toBe(1);
  });

  test('show the row that somebody takes away again and again, and the drift of it', async () => {
    expect(await near.run(['inspect', 'drift'])).toMatch(/^No drift/);
    const { ip } = memberOn(docker);
    const { walks } = await path(ip);
    const row = walks[0]?.hops.find(({ step }) => step === 'forwarding-row')?.found ?? '';
    const [, mac = '', device = ''] = /^(\S+) to host \S+ on (\S+)$/.exec(row) ?? [];
    const { networks } = await inspect<NetworksDocument>('networks', 'app');
    const remove = `nsenter --net=${networks[0]?.namespace} bridge fdb delete ${mac} dev ${device} self`;
    const hinder = await near.host.spawn('hinder', ['sh', '-c', `while :; do ${remove} 2>/dev/null; sleep 0.02; done`]);
    const hop = await fault('forwarding-row', ip);
    expect(hop.found).toContain(`no forwarding row for ${mac}`);
    const { problems } = await patiently('status tells of it', async () => {
      const status = JSON.parse((await near.exec(['status', '--json'])).stdout);
      return status.problems.some(({ code }: { code: string }) => code === 'drift-recurs') && status;
    });
    expect(problems[0].what).toMatch(/network app: again and again no forwarding row/);
    await hinder.stop();
    await well(ip);
    const drift = await inspect<DriftDocument>('drift');
    expect(drift.open).toEqual([]);
    expect(drift.counts.forwarding).toBeGreaterThan(2);
  });

  test('show a host that is cut off', CUT_OFF, async () => {
    const { ip } = memberOn(far.host);
    await far.host.linkDown();
    await patiently('the node is missed', async () => {
      const hop = await faultOf(ip);
      return hop?.step === 'node' || hop?.step === 'row';
    });
    expect((await fault('row', ip)).found).toMatch(new RegExp(`no node (says|has said yet) where ${ip}`));
    await far.host.linkUp();
    await well(ip);
  });

  test('show a wire that carries too little', async () => {
    const { ip } = memberOn(docker);
    await near.host.run(['ip', 'link', 'set', 'eth0', 'mtu', '1400']);
    expect((await fault('underlay', ip)).mend).toContain('com.docker.network.driver.mtu=1400');
    await near.host.run(['ip', 'link', 'set', 'eth0', 'mtu', '1500']);
    await well(ip);
  });

  test('are measured', async () => {
    const { networks } = JSON.parse((await near.exec(['status', '--json'])).stdout);
    expect(networks).toMatchObject({ driverProblem: null, dns: { failed: [] } });
    expect(networks.networks.map(({ name, state }: { name: string; state: string }) => [name, state])).toEqual([
      ['app', 'ready'],
      ['other', 'ready'],
    ]);
    expect(networks.dns.counters.answered).toBeGreaterThan(0);
  });
});

async function joined(netd: Netd, swarm: Parameters<Netd['join']>[0]): Promise<void> {
  await netd.start();
  await netd.join(swarm);
}
