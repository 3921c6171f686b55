import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '#base/log.ts';
import { EndpointStore } from './endpoint-store.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'netd-endpoints-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const endpoint = {
  networkId: 'n1',
  endpointId: 'e'.repeat(64),
  address: '10.0.1.5/24',
  mac: '02:42:0a:00:01:05',
  sandboxKey: '/run/docker/netns/1',
  interfaceName: 'eth1',
};

test('endpoints outlive the one who wrote them, until they are deleted', () => {
  const store = new EndpointStore(directory, silentLogger);
  const created = { ...endpoint, endpointId: 'f'.repeat(64), sandboxKey: undefined, interfaceName: undefined };
  store.put(endpoint);
  store.put(created);
  const next = new EndpointStore(directory, silentLogger);
  expect(next.of('n1')).toHaveLength(2);
  expect(next.get(endpoint.endpointId)).toEqual(endpoint);
  expect(next.get(created.endpointId)).toEqual(created);
  next.delete(endpoint.endpointId);
  next.delete(endpoint.endpointId);
  expect(readdirSync(directory)).toEqual([`${created.endpointId}.json`]);
});

test('files that make no sense are left out, and no id leads out of the directory', () => {
  for (const [name, text] of [
    ['cut', '{"format":1,"netw'],
    ['other-format', JSON.stringify({ format: 2, ...endpoint })],
    ['other-name', JSON.stringify({ format: 1, ...endpoint })],
  ]) {
    writeFileSync(join(directory, `${name}.json`), text ?? '');
  }
  const store = new EndpointStore(directory, silentLogger);
  expect(store.all()).toEqual([]);
  for (const endpointId of ['../e', '', '.hidden', 'a/b']) {
    expect(() => store.put({ ...endpoint, endpointId })).toThrow(/not one of the engine/);
  }
});
