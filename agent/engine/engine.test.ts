import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createEngine, type Engine } from './engine.ts';
import { EngineServer } from './engine-server.fixture.ts';

let dir: string;
let server: EngineServer;
let engine: Engine;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'engine-'));
  server = new EngineServer(join(dir, 'engine.sock'));
  await server.start();
  engine = createEngine(server.address);
});
afterEach(async () => {
  engine.close();
  await server.stop();
  await rm(dir, { recursive: true });
});

it('gives the id of a container it has made', async () => {
  server.answers['/containers/create'] = { json: { Id: 'c0ffee', Warnings: [] } };
  expect(await engine.createContainer('name', {})).toEqual({ id: 'c0ffee' });
});

it('gives the driver of a volume it has made', async () => {
  server.answers['/volumes/create'] = { json: { Name: 'v', Driver: 'local' } };
  expect(await engine.createVolume({ Name: 'v' })).toEqual({ driver: 'local' });
});
