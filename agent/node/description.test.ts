import { equals, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EngineFacts } from '#agent/engine/engine-watch.ts';
import { describesAnew } from '#agent/session/session.ts';
import { NodeDescriptionSchema } from '#proto/gen/swarmkit/types_pb.js';
import { describeNode, type OwnFacts } from './description.ts';

const own: OwnFacts = {
  labels: {},
  genericResources: [],
  tls: {
    trustRoot: Buffer.from('root'),
    issuerSubject: Buffer.from('subject'),
    issuerPublicKey: Buffer.from('key'),
  },
  fips: false,
};
const plugin = (name: string, ...types: unknown[]) => ({
  Name: name,
  Enabled: true,
  Config: { Interface: { Types: types } },
});
const engine = (info: object = {}, plugins: readonly object[] = []): EngineFacts =>
  ({
    info: {
      Name: 'host',
      Architecture: 'x86_64',
      OSType: 'linux',
      NCPU: 4,
      MemTotal: 8_200_000_000,
      Plugins: { Volume: ['local'], Network: ['null', 'bridge', 'macvlan'], Log: ['json-file'], Authorization: null },
      ...info,
    },
    version: { Version: '28.5.2' },
    plugins,
  }) as unknown as EngineFacts;
const plugins = (facts: EngineFacts) =>
  describeNode(facts, own).engine?.plugins.map(({ type, name }) => `${type} ${name}`);

describe('describeNode', () => {
  it('tells what a worker of Docker tells', () => {
    expect(describeNode(engine(), { ...own, fips: true })).toMatchObject({
      hostname: 'host',
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 4_000_000_000n, memoryBytes: 8_200_000_000n, generic: [] },
      engine: { engineVersion: '28.5.2', labels: {} },
      tlsInfo: {
        trustRoot: Buffer.from('root'),
        certIssuerSubject: Buffer.from('subject'),
        certIssuerPublicKey: Buffer.from('key'),
      },
      fips: true,
      csiInfo: [],
    });
  });

  it("offers the engine's generic resources, in one order, unless netd has its own", () => {
    const named = (Value: string) => ({ NamedResourceSpec: { Kind: 'gpu', Value } });
    const discrete = { DiscreteResourceSpec: { Kind: 'ssd', Value: 3 } };
    const nonsense = [null, 'gpu', {}, { NamedResourceSpec: { Kind: 'gpu' } }, { DiscreteResourceSpec: { Kind: 1 } }];
    const facts = engine({ GenericResources: [discrete, named('b'), ...nonsense, named('a')] });
    const offered = (offers: OwnFacts['genericResources']) =>
      describeNode(facts, { ...own, genericResources: offers }).resources?.generic.map(
        ({ resource }) => resource.value,
      );
    expect(offered([])).toMatchObject([
      { kind: 'gpu', value: 'a' },
      { kind: 'gpu', value: 'b' },
      { kind: 'ssd', value: 3n },
    ]);
    expect(offered([{ tag: 'discrete', kind: 'fpga', value: 1 }])).toMatchObject([{ kind: 'fpga', value: 1n }]);
    expect(describeNode(engine({ GenericResources: null }), own).resources?.generic).toEqual([]);
  });

  it('lists plugins by type and name, each once, with the network drivers a scheduler looks for', () => {
    expect(plugins(engine())).toEqual([
      'Log json-file',
      'Network bridge',
      'Network host',
      'Network macvlan',
      'Network null',
      'Network overlay',
      'Volume local',
    ]);
  });

  it('lists managed plugins under what they can do, with their tags', () => {
    const found = plugins(
      engine({}, [
        plugin('vieux/sshfs:latest', 'docker.volumedriver/1.0'),
        plugin('many:1', 'docker.networkdriver/1.0', 'docker.logdriver/1.0', 'docker.csinode/1.0'),
        plugin('object:1', { Prefix: 'docker', Capability: 'volumedriver', Version: '1.0' }),
        plugin('none:1', 'nonsense'),
      ]),
    );
    expect(found).toEqual([
      'Log json-file',
      'Log many:1',
      'Network bridge',
      'Network host',
      'Network macvlan',
      'Network many:1',
      'Network null',
      'Network overlay',
      'Volume local',
      'Volume object:1',
      'Volume vieux/sshfs:latest',
      'csinode many:1',
    ]);
  });

  it("tells the engine's labels and netd's own, which win", () => {
    const facts = engine({ Labels: ['a=1', 'b=x=y', 'c', 'd=engine'] });
    const { labels } = describeNode(facts, { ...own, labels: { d: 'netd', e: '5' } }).engine ?? {};
    expect(labels).toEqual({ a: '1', b: 'x=y', c: '', d: 'netd', e: '5' });
    expect(describeNode(engine({ Labels: null }), own).engine?.labels).toEqual({});
  });

  it('offers generic resources, one entry a named value and one a discrete kind', () => {
    const { resources } = describeNode(engine(), {
      ...own,
      genericResources: [
        { tag: 'named', kind: 'gpu', value: 'UUID1' },
        { tag: 'named', kind: 'gpu', value: 'UUID2' },
        { tag: 'discrete', kind: 'ssd', value: 3 },
      ],
    });
    expect(resources?.generic.map(({ resource }) => resource.value)).toMatchObject([
      { kind: 'gpu', value: 'UUID1' },
      { kind: 'gpu', value: 'UUID2' },
      { kind: 'ssd', value: 3n },
    ]);
  });

  it('is the same whatever the order of what the engine says, also after a way over the wire', () => {
    const names = ['bridge', 'host', 'ipvlan', 'macvlan', 'null', 'overlay'];
    const labels = ['a=1', 'b=2', 'c=3'];
    const shuffled = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length });
    const sent = describeNode(engine({ Labels: labels, Plugins: { Network: names, Log: ['syslog'] } }), own);
    const taken = fromBinary(NodeDescriptionSchema, toBinary(NodeDescriptionSchema, sent));
    fc.assert(
      fc.property(shuffled(names), shuffled(labels), (network, labelled) => {
        const next = describeNode(engine({ Labels: labelled, Plugins: { Log: ['syslog'], Network: network } }), own);
        expect(describesAnew(sent, next)).toBe(false);
        expect(describesAnew(taken, next)).toBe(false);
        expect(equals(NodeDescriptionSchema, sent, next)).toBe(true);
        expect(toBinary(NodeDescriptionSchema, next)).toEqual(toBinary(NodeDescriptionSchema, sent));
      }),
    );
  });

  it.each<[string, object, Partial<OwnFacts>]>([
    ['memory', { MemTotal: 1 }, {}],
    ['a label', { Labels: ['a=1'] }, {}],
    ['a plugin', { Plugins: { Network: ['ipvlan'] } }, {}],
    ['the issuer', {}, { tls: { ...own.tls, issuerPublicKey: Buffer.from('other') } }],
    ['a label of netd', {}, { labels: { a: '1' } }],
  ])('is another one when %s changes', (_, info, change) => {
    expect(describesAnew(describeNode(engine(), own), describeNode(engine(info), { ...own, ...change }))).toBe(true);
  });

  it('makes do with an engine that leaves things out', () => {
    const bare = { Name: 'host', NCPU: 1, Plugins: undefined, MemTotal: undefined, Architecture: undefined };
    expect(describeNode(engine({ ...bare, OSType: undefined, Labels: undefined }), own)).toMatchObject({
      hostname: 'host',
      resources: { nanoCpus: 1_000_000_000n, memoryBytes: 0n },
      engine: { plugins: [{ name: 'bridge' }, { name: 'host' }, { name: 'overlay' }] },
    });
  });
});
