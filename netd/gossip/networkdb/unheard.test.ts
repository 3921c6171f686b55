import { describe, expect, test } from 'vitest';
import {
  aliveOf,
  attached,
  bulkOf,
  bulkSync,
  entryOf,
  joinNetwork,
  NET,
  networkEvent,
  peerOf,
  pushPull,
  roster,
  Stage,
  tableEvent,
} from '../core-testkit.ts';
import { MESSAGE_TYPE } from '../wire/swim-message.ts';

/** A stage on the network with peer 1; peer 2 is there too, but its attachment was never heard. */
function unheard(): Stage {
  const stage = attached(1);
  stage.packet(2, aliveOf(2));
  stage.run(3000);
  stage.streams.length = 0;
  return stage;
}

/** Push/pulls begun with that peer within the next seconds. */
function askedAbout(stage: Stage, index: number, ms: number): number {
  const sinceMs = stage.nowMs;
  stage.run(ms);
  const { ip } = peerOf(index).address;
  return stage.streams.filter(
    ({ to, atMs, message }) => atMs > sinceMs && to.ip === ip && message[0] === MESSAGE_TYPE.pushPull,
  ).length;
}

describe('attachments that were not heard', () => {
  test('a row of a node not known to be attached has that node asked, and the row is there soon', () => {
    const stage = unheard();
    stage.play = ({ to, message }) => {
      if (message[0] !== MESSAGE_TYPE.pushPull) return undefined;
      const attachment = { network: NET, time: 3n, node: peerOf(2).name, leaving: false };
      return to.ip === peerOf(2).address.ip ? pushPull(2, [entryOf(2)], [attachment]) : 'fail';
    };
    stage.user(1, tableEvent(2));
    expect(stage.row('k')).toBeUndefined();
    expect(askedAbout(stage, 2, 2000)).toBe(1);
    expect(roster(stage)).toContain(peerOf(2).name);
    stage.run(2500);
    stage.request(bulkSync(2, [tableEvent(2)]));
    expect(stage.row('k')).toMatchObject({ value: 'v' });
  });

  test('the same by bulk sync: the network it names is enough', () => {
    const stage = unheard();
    stage.request(bulkSync(2, [], { unsolicited: true }));
    expect(askedAbout(stage, 2, 2000)).toBe(1);
  });

  test('nobody is asked if the attachment comes a moment after the row', () => {
    const stage = unheard();
    stage.user(1, tableEvent(2));
    stage.run(200);
    stage.user(2, joinNetwork(2, NET, 3n));
    expect(askedAbout(stage, 2, 5000)).toBe(0);
  });

  test.each([
    ['asked once in half a minute at the most if it answers', true, 1, 2],
    ['asked again after 3 s, then 6, and so on, if it cannot be asked', false, 3, 5],
  ])('a node that does not mend it is %s', (_, answers, least, most) => {
    const stage = unheard();
    stage.play = ({ message }) =>
      answers && message[0] === MESSAGE_TYPE.pushPull ? pushPull(2, [entryOf(2)]) : 'fail';
    let asked = 0;
    for (let second = 0; second < 25; second++) {
      stage.user(1, tableEvent(2, { key: `k${second}` }));
      asked += askedAbout(stage, 2, 1000);
    }
    // The regular push/pull may have picked it as well.
    expect(asked).toBeGreaterThanOrEqual(least);
    expect(asked).toBeLessThanOrEqual(most);
  });

  test('no sign: deleted rows, rows of strangers, networks that are being left', () => {
    const stage = unheard();
    stage.user(1, tableEvent(2, { type: 'delete' }));
    stage.user(1, tableEvent(9));
    stage.user(2, joinNetwork(2, NET, 3n));
    stage.user(2, networkEvent('leave', 2, NET, 4n));
    stage.request(bulkSync(2, [], { unsolicited: true }));
    expect(stage.core.db.state.unheard.size).toBe(0);
  });

  test('asked about one network, a node is soon asked about another one too', () => {
    const stage = unheard();
    stage.play = ({ message }) => (message[0] === MESSAGE_TYPE.pushPull ? pushPull(2, [entryOf(2)]) : undefined);
    stage.input({ kind: 'attach', network: 'network2' });
    stage.run(3000);
    stage.user(1, tableEvent(2));
    expect(askedAbout(stage, 2, 5000)).toBe(1);
    stage.user(1, tableEvent(2, { network: 'network2' }));
    expect(askedAbout(stage, 2, 2000)).toBe(1);
  });

  // A stream that hangs takes ten seconds to fail.
  test.each(['fail', 'hang'] as const)(
    'alone on a network: one peer is asked, until one has answered; streams %s',
    (how) => {
      const stage = new Stage();
      stage.meet(1);
      stage.run(3000);
      stage.play = () => how;
      stage.input({ kind: 'attach', network: NET });
      expect(askedAbout(stage, 1, 3000)).toBe(1);
      expect(askedAbout(stage, 1, 3000)).toBe(1);
      stage.play = () => pushPull(1, [entryOf(1)]);
      expect(askedAbout(stage, 1, 3000)).toBe(1);
      expect(askedAbout(stage, 1, 10_000)).toBe(0);
    },
  );

  test('after attaching, every node of a small cluster not known to be there is asked, and its rows are there soon', () => {
    const stage = new Stage();
    stage.meet(1, [NET]);
    for (const index of [2, 3, 4, 5, 6]) stage.packet(index, aliveOf(index));
    stage.run(3000);
    // Nobody but the fifth itself knows that it is there.
    stage.play = ({ to, message }) => {
      const index = Number(to.ip.split('.').at(-1));
      if (message[0] !== MESSAGE_TYPE.pushPull) return undefined;
      const attachment = { network: NET, time: 3n, node: peerOf(5).name, leaving: false };
      return pushPull(index, [entryOf(index)], index === 5 ? [attachment] : []);
    };
    stage.streams.length = 0;
    stage.input({ kind: 'attach', network: NET });
    stage.run(3000);
    const asked = stage.streams.filter(({ message }) => message[0] === MESSAGE_TYPE.pushPull).map(({ to }) => to.ip);
    expect(asked.toSorted()).toEqual([2, 3, 4, 5, 6].map((index) => peerOf(index).address.ip));
    expect(roster(stage)).toContain(peerOf(5).name);
    stage.run(2500);
    expect(stage.streams.some((stream) => bulkOf(stream) !== undefined && stream.to.ip === peerOf(5).address.ip)).toBe(
      true,
    );
  });

  test('in a large cluster one node is asked', () => {
    const stage = new Stage();
    stage.meet(40);
    stage.run(3000);
    stage.play = () => pushPull(1, [entryOf(1)]);
    stage.streams.length = 0;
    stage.input({ kind: 'attach', network: NET });
    stage.run(5000);
    expect(stage.streams.filter(({ message }) => message[0] === MESSAGE_TYPE.pushPull)).toHaveLength(1);
  });

  test('not alone on a network: nobody is asked', () => {
    const stage = new Stage();
    stage.meet(1, [NET]);
    stage.run(3000);
    stage.input({ kind: 'attach', network: NET });
    expect(askedAbout(stage, 1, 3000)).toBe(0);
  });
});
