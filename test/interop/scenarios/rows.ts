import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { ENDPOINT_TABLE } from '#netd/gossip/networkdb/table-events.ts';
import { patiently } from '#test/conformance/patiently.ts';
import type { Host } from '#test/hosts/host.ts';
import { BUSYBOX } from '#test/hosts/image.ts';
import { resolved } from '../docker-side.ts';
import { type GossipSwarm, NETWORK, overlay, service, WEB } from '../gossip-swarm.ts';
import type { Probe } from '../probe.ts';
import { dockerHas, dockerLacks, ourRows, probeAgrees } from '../rows.ts';

/**
 * Gossip takes a fraction of a second, the regular bulk sync up to thirty. On a machine where fifty processes want two cores,
 * what comes within this has not waited for the latter.
 */
const AT_ONCE_MS = 8_000;
/** The hosts whose dockerd is left in peace while others are killed. */
const CALM = ['m1', 'w1'] as const;
const ON_CALM = ['--constraint', 'node.hostname!=w2'];

/** Rows in both directions, on the probe `rows`. */
export function rowScenarios(swarm: () => GossipSwarm): void {
  // Where two bulk syncs of the same two nodes cross, Docker takes the answer to one for that to the other, and its attaching
  // waits for half a minute (spec gossip §18.3): no two attach at the same time.
  const attaching = pLimit(1);

  test('rows of Docker: exactly those of its containers, scaled up and down, and disabled before they go', async () => {
    const { manager, network, probe } = swarm();
    const rows = probe('rows');
    const calm = CALM.map(swarm().docker);
    await service(manager, 'scaled', NETWORK, '--replicas', '1', ...ON_CALM);
    for (const replicas of [1, 6, 2, 4, 0]) {
      await manager.docker('service', 'scale', '--detach', `scaled=${replicas}`);
      await patiently(`there are ${replicas} tasks, and the rows of just them`, async () => {
        const found = (await Promise.all(calm.map((docker) => probeAgrees(rows, network, docker)))).flat();
        const names = found.map(({ name }) => name ?? '');
        expect(names.filter((name) => name.startsWith('scaled.'))).toHaveLength(replicas);
        expect(names.filter((name) => name.startsWith(`${WEB}.`))).toHaveLength(calm.length);
        return true;
      });
    }
    const changes = (await rows.ask('changes', { network })).filter(({ table }) => table === ENDPOINT_TABLE);
    const lives = [...Map.groupBy(changes, ({ key }) => key).values()].filter((life) => life.at(-1)?.kind === 'gone');
    expect(lives.length).toBeGreaterThanOrEqual(8);
    for (const life of lives) {
      const told = life.map(({ kind, disabled }) => `${kind}${disabled ? ' disabled' : ''}`);
      // The rows of a dockerd that was killed, as one of this swarm is, go without having been disabled.
      if (told.length > 2) expect(told).toEqual(['came', 'changed disabled', 'gone disabled']);
    }
    expect(lives.filter((life) => life.length > 2).length).toBeGreaterThanOrEqual(8);
  });

  test('rows of Docker: service, virtual address and names are those the manager knows', async () => {
    const { manager, network, probe } = swarm();
    const aliased = `name=${NETWORK},alias=second`;
    const flags = ['--endpoint-mode', 'vip', '--replicas', '2', ...ON_CALM];
    const id = await service(manager, 'balanced', aliased, ...flags);
    const found = await patiently('both tasks have a row', async () => {
      const { endpoints } = await probe('rows').snapshot(network);
      const own = endpoints.map(({ value }) => value).filter((endpoint) => endpoint.service?.id === id);
      return own.length === 2 && own;
    });
    const inspected = await manager.docker('service', 'inspect', '--format', '{{json .Endpoint.VirtualIPs}}', id);
    const vips = JSON.parse(inspected) as readonly { readonly NetworkID: string; readonly Addr: string }[];
    const vip = vips.find(({ NetworkID }) => NetworkID === network)?.Addr.replace(/\/.*/, '');
    for (const endpoint of found) {
      expect(endpoint.service).toEqual({ id, name: 'balanced' });
      expect(endpoint.virtualIp).toBe(vip);
      expect(endpoint.aliases).toEqual(['second']);
      expect(endpoint.name).toMatch(/^balanced\.[12]\.[0-9a-z]{25}$/);
      expect(endpoint.taskAliases).toEqual([expect.stringMatching(/^[0-9a-f]{12}$/)]);
      expect(endpoint.ingressPorts).toEqual([]);
    }
  });

  test('our rows: in the tables, the kernel and the names of Docker; disabled; withdrawn', async () => {
    const { network, probe, docker, dockers } = swarm();
    const rows = probe('rows');
    const ours = ourRows(rows, 'ours');
    const { endpoint } = ours;
    const [client, container] = [docker('w1'), await taskOf(docker('w1'), WEB)];
    const answers = async (name: string, addresses: readonly string[]) => {
      const what = addresses.length === 0 ? 'nothing' : addresses.join(' ');
      await patiently(`${name} is ${what}`, async () => {
        expect(await resolved(client, container, name)).toEqual(addresses);
        return true;
      });
    };

    await rows.publish(network, ours);
    for (const name of CALM) await dockerHas(docker(name), network, ours);
    const names = ['ours', 'tasks.ours', 'ours-alias', endpoint.name, ...endpoint.taskAliases];
    for (const name of names) await answers(name, [endpoint.ip]);

    await rows.ask('publishEndpoint', { network, id: ours.id, endpoint: { ...endpoint, disabled: true } });
    for (const name of ['ours', 'tasks.ours', 'ours-alias', endpoint.name]) await answers(name, []);
    // Connections that are open are let go on.
    for (const name of CALM) await dockerHas(docker(name), network, ours);

    await rows.withdraw(network, ours.id);
    for (const one of dockers.filter(({ name }) => name !== 'w2')) await dockerLacks(one, network, ours);
  });

  test('attaching to a network with rows: they are here at once', () =>
    attaching(async () => {
      const { manager, docker } = swarm();
      const rows = swarm().probe('rows');
      const late = await overlay(manager, 'late', '--subnet', '10.98.0.0/16');
      for (const name of CALM) await container(docker(name), 'late');
      const began = performance.now();
      await rows.attach(late);
      for (const name of CALM) await probeAgrees(rows, late, docker(name));
      expect(performance.now() - began).toBeLessThan(AT_ONCE_MS);
    }));

  test('a dockerd that attaches to a network with our rows: they are there at once', () =>
    attaching(async () => {
      const { manager, docker } = swarm();
      const rows = swarm().probe('rows');
      const later = await overlay(manager, 'later', '--subnet', '10.97.0.0/16');
      await rows.attach(later);
      const ours = ourRows(rows, 'before', [10, 97]);
      await rows.publish(later, ours);
      for (const name of CALM) {
        await container(docker(name), 'later');
        const began = performance.now();
        await dockerHas(docker(name), later, ours);
        expect(performance.now() - began).toBeLessThan(AT_ONCE_MS);
        await probeAgrees(rows, later, docker(name));
      }
    }));

  test('a network left and joined again: our rows go, and come back under the ids they had', () =>
    attaching(async () => {
      const { manager, docker } = swarm();
      const rows: Probe = swarm().probe('rows');
      const again = await overlay(manager, 'again', '--subnet', '10.96.0.0/16');
      await container(docker('w1'), 'again');
      const ours = ourRows(rows, 'again', [10, 96]);
      for (let round = 0; round < 2; round++) {
        await rows.attach(again);
        await rows.publish(again, ours);
        await dockerHas(docker('w1'), again, ours);
        await probeAgrees(rows, again, docker('w1'));
        await rows.ask('detach', { network: again });
        await dockerLacks(docker('w1'), again, ours);
        expect(await rows.ask('snapshot', { network: again })).toBeNull();
      }
    }));
}

/** A container by hand on an attachable network. */
function container(host: Host, network: string): Promise<string> {
  const flags = ['--detach', '--name', `by-hand-${network}`, '--network', network];
  return host.docker('run', ...flags, BUSYBOX, 'sleep', '3600');
}

/** A running container of that service on the host. */
async function taskOf(host: Host, name: string): Promise<string> {
  const filter = `label=com.docker.swarm.service.name=${name}`;
  return patiently(`${host.name} runs a task of ${name}`, async () => {
    const [id] = (await host.docker('ps', '--quiet', '--filter', filter)).split('\n');
    return id !== undefined && id !== '' && id;
  });
}
