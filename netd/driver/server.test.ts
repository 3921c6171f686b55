import { mkdtemp, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NetdError } from '#base/errors.ts';
import { silentLogger } from '#base/log.ts';
import type { EndpointWanted, EngineNetwork, NetworkDriver } from './driver.ts';
import { type DriverServer, serveDriver } from './server.ts';

const NETWORK = 'a'.repeat(64);
const ENDPOINT = 'b'.repeat(64);
const ids = { NetworkID: NETWORK, EndpointID: ENDPOINT };

/** Remembers what it was told, and gives every endpoint the same place. */
class PlainDriver implements NetworkDriver {
  readonly networks = new Map<string, EngineNetwork>();
  readonly endpoints = new Map<string, EndpointWanted>();
  readonly joined = new Map<string, string>();
  failure: Error | undefined;

  createNetwork = async (network: EngineNetwork) => {
    if (this.failure) throw this.failure;
    this.networks.set(network.engineId, network);
  };
  deleteNetwork = async (id: string) => void this.networks.delete(id);
  createEndpoint = async (endpoint: EndpointWanted) => {
    this.endpoints.set(endpoint.endpointId, endpoint);
    return { address: '10.0.1.5/24', mac: '02:42:0a:00:01:05' };
  };
  deleteEndpoint = async (id: string) => void this.endpoints.delete(id);
  joinEndpoint = async (id: string, sandboxKey: string) => {
    this.joined.set(id, sandboxKey);
    return {
      srcName: 'ndc1',
      dstPrefix: 'eth',
      staticRoutes: [{ destination: '10.0.2.0/24', nextHop: '10.0.1.1' }],
    };
  };
  leaveEndpoint = async (id: string) => void this.joined.delete(id);
}

let directory: string;
let socketPath: string;
let server: DriverServer;
let driver: PlainDriver;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'netd-driver-'));
  socketPath = join(directory, 'plugins', 'netd.sock');
  driver = new PlainDriver();
  server = await serveDriver({ socketPath, driver, log: silentLogger });
});
afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

async function post(call: string, body: string): Promise<{ status: number | undefined; answer: unknown }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; answer: unknown }>();
  const sent = request({ socketPath, path: `/${call}`, method: 'POST' }, async (response) => {
    resolve({ status: response.statusCode, answer: JSON.parse(await text(response)) });
  });
  sent.once('error', reject);
  sent.end(body);
  return promise;
}

async function call(name: string, body: object): Promise<unknown> {
  const { status, answer } = await post(`NetworkDriver.${name}`, JSON.stringify(body));
  expect(status).toBe(200);
  return answer;
}

describe('a network driver', () => {
  it('is for the engine alone', async () => {
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
  });

  it('says what it is, to a request without a body', async () => {
    expect((await post('Plugin.Activate', '')).answer).toEqual({ Implements: ['NetworkDriver'] });
    expect((await post('NetworkDriver.GetCapabilities', '')).answer).toEqual({
      Scope: 'local',
      ConnectivityScope: 'global',
    });
  });

  it('reads a network as Docker 28 sends it', async () => {
    const Options = {
      'com.docker.network.enable_ipv4': true,
      'com.docker.network.enable_ipv6': false,
      'com.docker.network.generic': { 'netd.network': 'net1' },
    };
    const IPv4Data = [{ AddressSpace: 'null', Pool: '0.0.0.0/0' }];
    expect(await call('CreateNetwork', { NetworkID: NETWORK, Options, IPv4Data, IPv6Data: [] })).toEqual({});
    expect(driver.networks.get(NETWORK)).toEqual({
      engineId: NETWORK,
      options: new Map([['netd.network', 'net1']]),
      pools: [],
    });
  });

  it('sees that the engine has reserved addresses', async () => {
    const IPv4Data = [{ AddressSpace: 'LocalDefault', Gateway: '172.18.0.1/16', Pool: '172.18.0.0/16' }];
    await call('CreateNetwork', { NetworkID: NETWORK, Options: null, IPv4Data });
    expect(driver.networks.get(NETWORK)).toMatchObject({ options: new Map(), pools: ['172.18.0.0/16'] });
  });

  it('leads an endpoint through its life', async () => {
    const Options = { 'com.docker.network.portmap': [{ Proto: 6, Port: 80 }], 'netd.task': 'task1' };
    const Interface = { Address: '', AddressIPv6: '', MacAddress: '' };
    expect(await call('CreateEndpoint', { ...ids, Interface, Options })).toEqual({
      Interface: { Address: '10.0.1.5/24', MacAddress: '02:42:0a:00:01:05' },
    });
    expect(driver.endpoints.get(ENDPOINT)?.options).toEqual(new Map([['netd.task', 'task1']]));
    const SandboxKey = '/var/run/docker/netns/1873385d4e8f';
    expect(await call('Join', { ...ids, SandboxKey, Options: null })).toEqual({
      InterfaceName: { SrcName: 'ndc1', DstPrefix: 'eth' },
      StaticRoutes: [{ Destination: '10.0.2.0/24', RouteType: 0, NextHop: '10.0.1.1' }],
    });
    expect(driver.joined.get(ENDPOINT)).toBe(SandboxKey);
    expect(await call('EndpointOperInfo', ids)).toEqual({ Value: {} });
    expect(await call('ProgramExternalConnectivity', { ...ids, Options: {} })).toEqual({});
    expect(await call('Leave', ids)).toEqual({});
    expect(await call('DeleteEndpoint', ids)).toEqual({});
    expect([driver.joined.size, driver.endpoints.size]).toEqual([0, 0]);
  });

  it('does not repeat a hardware address the user has chosen: the engine takes that for a change', async () => {
    const Interface = { Address: '', AddressIPv6: '', MacAddress: '02:42:0a:63:00:77' };
    expect(await call('CreateEndpoint', { ...ids, Interface, Options: {} })).toEqual({
      Interface: { Address: '10.0.1.5/24' },
    });
  });

  it.each([
    ['no body', 'Join', '', 'NetworkDriver.Join: NetworkID'],
    ['a body that is no JSON', 'Join', '{', 'NetworkDriver.Join: the body is not JSON'],
    ['an id that is a path', 'Leave', JSON.stringify({ ...ids, EndpointID: '../x' }), 'EndpointID is not an id'],
    ['a namespace that is no path', 'Join', JSON.stringify({ ...ids, SandboxKey: 'x' }), 'is not an absolute path'],
    ['a list', 'DeleteNetwork', '[]', 'NetworkDriver.DeleteNetwork'],
    ['too much', 'CreateNetwork', ' '.repeat(1024 * 1024 + 1), 'the request is over 1048576 bytes'],
  ])('refuses %s in words, as an answer: the engine would repeat a call that fails', async (_, name, body, words) => {
    const { status, answer } = await post(`NetworkDriver.${name}`, body);
    expect(status).toBe(200);
    expect(answer).toEqual({ Err: expect.stringContaining(words) });
  });

  it('says how to mend what it refuses', async () => {
    driver.failure = new NetdError('x', 'it cannot be', { mend: 'Do without.', cause: new Error('no reason') });
    expect(await call('CreateNetwork', { NetworkID: NETWORK })).toEqual({
      Err: 'it cannot be: no reason (Do without.)',
    });
  });

  it('has nothing the engine does not ask a driver of networks', async () => {
    expect((await post('IpamDriver.RequestPool', '{}')).status).toBe(404);
  });

  it('is one at a time', async () => {
    await expect(serveDriver({ socketPath, driver, log: silentLogger })).rejects.toThrow(
      expect.objectContaining({ code: 'socket-in-use' }),
    );
  });
});
