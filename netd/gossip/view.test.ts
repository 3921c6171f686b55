import { expect, test } from 'vitest';
import { NET, peerOf, SELF, Stage, tableEvent } from './core-testkit.ts';
import { summaryOf, viewOf } from './view.ts';

test('the view shows peers, networks, rows, queues, clocks and key tags, as plain JSON', () => {
  const stage = new Stage();
  stage.input({ kind: 'attach', network: NET });
  stage.meet(2, [NET]);
  stage.run(6000);
  stage.user(1, tableEvent(1));
  stage.publish('mine', 'x');
  stage.user(2, tableEvent(2, { type: 'delete', key: 'gone', time: 9n }));
  stage.packet(2, { kind: 'suspect', node: peerOf(1).name, incarnation: 1, from: peerOf(2).name });
  const heardMs = (ip: string) => (ip === '10.0.1.1' ? 250 : undefined);
  const view = viewOf(stage.core, [12n, 11n, 13n], { joined: 1 }, heardMs);
  expect(JSON.parse(JSON.stringify(view))).toEqual(view);
  expect(view).toMatchObject({
    name: SELF.name,
    address: '10.0.0.11:7946',
    healthScore: 0,
    keys: { primary: '12', others: ['11', '13'] },
    clocks: { table: '10' },
    rows: 3,
    members: { alive: 1, suspect: 1, dead: 0, left: 0 },
    activePeers: 2,
    attached: 1,
    facts: { joined: 1 },
  });
  expect(view).toMatchObject(summaryOf(stage.core, [12n, 11n, 13n], { joined: 1 }));
  expect(view.peers).toMatchObject([
    { name: peerOf(1).name, state: 'suspect', sinceMs: 0, heardMs: 250, status: 'active', networks: [NET], rows: 1 },
    { name: peerOf(2).name, state: 'alive', status: 'active', networks: [NET], rows: 1 },
  ]);
  expect(view.networks).toEqual([
    {
      id: NET,
      leaving: false,
      inSync: true,
      nodes: [SELF.name, peerOf(1).name, peerOf(2).name].sort(),
      tables: [{ name: 'endpoint_table', rows: 2, own: 1, tombstones: 1 }],
      queue: { own: 1, relayed: 1 },
    },
  ]);
});
