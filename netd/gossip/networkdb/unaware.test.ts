import { describe, expect, test } from 'vitest';
import { attached, bulkOf, bulkSync, joinNetwork, NET, networkEvent, peerOf, type Stage } from '../core-testkit.ts';
import { decodeBulkSync } from '../wire/networkdb-decode.ts';

/** Addresses of those asked for rows within the next milliseconds. */
function askedWithin(stage: Stage, ms: number): string[] {
  stage.play = () => undefined;
  stage.streams.length = 0;
  stage.run(ms);
  return stage.streams.flatMap((stream) => {
    const envelope = bulkOf(stream);
    return envelope !== undefined && decodeBulkSync(envelope.data).unsolicited ? [stream.to.ip] : [];
  });
}

/** A stage on the network with peers 1 and 2, whose regular rounds are not due. */
function withTwo(): Stage {
  const stage = attached(2);
  stage.user(2, networkEvent('leave', 2, NET, 2n));
  stage.request(bulkSync(1, [], { unsolicited: true }));
  stage.run(1000);
  return stage;
}

describe('nodes that have not heard that we are there', () => {
  test('one that attaches and does not ask us is asked, within three and a half seconds', () => {
    const stage = withTwo();
    stage.user(2, joinNetwork(2, NET, 3n));
    expect(askedWithin(stage, 1900)).toEqual([]);
    expect(askedWithin(stage, 1600)).toEqual([peerOf(2).address.ip]);
    expect(askedWithin(stage, 10_000)).toEqual([]);
  });

  test('one that attaches and asks us is not', () => {
    const stage = withTwo();
    stage.user(2, joinNetwork(2, NET, 3n));
    stage.run(500);
    stage.request(bulkSync(2, [], { unsolicited: true }));
    expect(askedWithin(stage, 10_000)).toEqual([]);
  });

  test('one that says its attachment again under a newer time is not', () => {
    const stage = withTwo();
    stage.user(1, joinNetwork(1, NET, 9n));
    expect(askedWithin(stage, 10_000)).toEqual([]);
  });

  test('one whose question was about another network is', () => {
    const stage = withTwo();
    stage.input({ kind: 'attach', network: 'network2' });
    stage.user(2, joinNetwork(2, NET, 3n));
    stage.request(bulkSync(2, [], { unsolicited: true, networks: ['network2'] }));
    expect(askedWithin(stage, 3500)).toContain(peerOf(2).address.ip);
  });

  test('one that has left the network again is not', () => {
    const stage = withTwo();
    stage.user(2, joinNetwork(2, NET, 3n));
    stage.user(2, networkEvent('leave', 2, NET, 4n));
    expect(askedWithin(stage, 10_000)).toEqual([]);
  });

  test('in a large cluster nobody is', () => {
    const stage = withTwo();
    stage.meet(40);
    stage.user(2, joinNetwork(2, NET, 3n));
    expect(askedWithin(stage, 3500)).toEqual([]);
  });
});
