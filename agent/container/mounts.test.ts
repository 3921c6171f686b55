import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  type Mount,
  MountSchema,
  Mount_BindOptions_Propagation as Propagation,
  Mount_Type as Type,
} from '#proto/gen/swarmkit/types_pb.js';
import { checkMounts } from './mount-checks.ts';
import { bindSources, mountBodies, volumesToCreate } from './mounts.ts';

type Init = MessageInitShape<typeof MountSchema>;
const mount = (init: Init): Mount => create(MountSchema, init);
const body = (init: Init) => mountBodies([mount(init)])[0];

describe('mounts that are refused before anything is created', () => {
  it.each<[string, Init, string]>([
    ['relative target', { type: Type.TMPFS, target: 'data' }, 'invalid mount target, must be an absolute path: data'],
    ['no target', { type: Type.TMPFS }, 'invalid mount target, must be an absolute path: '],
    [
      'relative bind source',
      { type: Type.BIND, source: 'data', target: '/data' },
      'invalid bind mount source, must be an absolute path: data',
    ],
    [
      'absolute volume name',
      { type: Type.VOLUME, source: '/data', target: '/data' },
      'invalid volume mount source, must not be an absolute path: /data',
    ],
    [
      'tmpfs with a source',
      { type: Type.TMPFS, source: 'x', target: '/x' },
      'invalid tmpfs source, source must be empty',
    ],
    [
      'named pipe',
      { type: Type.NPIPE, source: '\\\\.\\pipe\\x', target: '\\\\.\\pipe\\x' },
      'invalid mount config for type "npipe": mount type unknown',
    ],
    [
      'cluster volume',
      { type: Type.CLUSTER, source: 'vol', target: '/v' },
      'cluster volumes (CSI) are not supported on this node: volume "vol" at /v',
    ],
    ['a type of the future', { type: 9999 as Type, target: '/x' }, 'invalid mount type: 9999'],
  ])('%s', (_, init, message) => {
    expect(() => checkMounts([mount({ type: Type.TMPFS, target: '/fine' }), mount(init)])).toThrow(
      expect.objectContaining({ code: 'bad-task-spec', message: expect.stringContaining(message) }),
    );
  });

  it.each<Init>([
    { type: Type.BIND, source: '/nowhere', target: '/data' },
    { type: Type.VOLUME, source: 'name', target: '/data' },
    { type: Type.VOLUME, target: '/data' },
    { type: Type.TMPFS, target: '/data' },
    { type: Type.BIND, source: '/{{.Node.Hostname}}', target: '/{{.Task.Slot}}' },
  ])('but not %j', (init) => {
    expect(() => checkMounts([mount(init)])).not.toThrow();
  });
});

describe('mounts for the engine', () => {
  it('leave out what is not set', () => {
    expect(body({ type: Type.BIND, source: '/a', target: '/b' })).toEqual({ Type: 'bind', Source: '/a', Target: '/b' });
    expect(body({ type: Type.VOLUME, target: '/b' })).toEqual({ Type: 'volume', Target: '/b' });
    expect(body({ type: Type.TMPFS, target: '/b' })).toEqual({ Type: 'tmpfs', Target: '/b' });
    expect(body({ type: Type.VOLUME, target: '/b', volumeOptions: {} })).toEqual({
      Type: 'volume',
      Target: '/b',
      VolumeOptions: {},
    });
  });

  it('carry every option of a bind', () => {
    expect(
      body({
        type: Type.BIND,
        source: '/a',
        target: '/b',
        readonly: true,
        bindOptions: {
          propagation: Propagation.RSLAVE,
          nonrecursive: true,
          createmountpoint: true,
          readonlynonrecursive: true,
          readonlyforcerecursive: true,
        },
      }),
    ).toEqual({
      Type: 'bind',
      Source: '/a',
      Target: '/b',
      ReadOnly: true,
      BindOptions: {
        Propagation: 'rslave',
        NonRecursive: true,
        CreateMountpoint: true,
        ReadOnlyNonRecursive: true,
        ReadOnlyForceRecursive: true,
      },
    });
  });

  it.each([
    [Propagation.RPRIVATE, 'rprivate'],
    [Propagation.PRIVATE, 'private'],
    [Propagation.RSHARED, 'rshared'],
    [Propagation.SHARED, 'shared'],
    [Propagation.RSLAVE, 'rslave'],
    [Propagation.SLAVE, 'slave'],
  ])('propagation %s is %s', (propagation, name) => {
    expect(body({ type: Type.BIND, bindOptions: { propagation } })?.BindOptions).toEqual({ Propagation: name });
  });

  it('refuse a propagation nobody knows', () => {
    const bindOptions = { propagation: 77 as Propagation };
    expect(() => body({ type: Type.BIND, bindOptions })).toThrow('invalid propagation mode: 77');
  });

  it('carry every option of a volume', () => {
    expect(
      body({
        type: Type.VOLUME,
        source: 'v',
        target: '/b',
        volumeOptions: {
          nocopy: true,
          labels: { l: '1' },
          subpath: 'a/b',
          driverConfig: { name: 'nfs', options: { o: 'x' } },
        },
      })?.VolumeOptions,
    ).toEqual({
      NoCopy: true,
      Labels: { l: '1' },
      Subpath: 'a/b',
      DriverConfig: { Name: 'nfs', Options: { o: 'x' } },
    });
  });

  it('carry every option of a tmpfs', () => {
    const options = '[["noexec"],["uid","12"]]';
    expect(
      body({ type: Type.TMPFS, tmpfsOptions: { sizeBytes: 1n << 40n, mode: 0o1777, options } })?.TmpfsOptions,
    ).toEqual({
      SizeBytes: 2 ** 40,
      Mode: 0o1777,
      Options: [['noexec'], ['uid', '12']],
    });
  });

  it.each(['', 'not json', '{}', '[1]', '["noexec"]', '[[1]]', 'null'])('take %j for no tmpfs options', (options) => {
    expect(body({ type: Type.TMPFS, tmpfsOptions: { options } })?.TmpfsOptions).toEqual({});
  });
});

describe('volumes made ahead of the container', () => {
  const driverConfig = { name: 'nfs', options: { o: 'addr=1' } };

  it('are those that name a driver', () => {
    const mounts = [
      mount({ type: Type.VOLUME, source: 'a', volumeOptions: { driverConfig, labels: { l: '1' } } }),
      mount({ type: Type.VOLUME, source: 'b', volumeOptions: { driverConfig: {} } }),
      mount({ type: Type.VOLUME, source: 'c', volumeOptions: { labels: { l: '1' } } }),
      mount({ type: Type.VOLUME, source: 'd' }),
      mount({ type: Type.BIND, source: '/e', volumeOptions: { driverConfig } }),
      mount({ type: Type.VOLUME, source: '', volumeOptions: { driverConfig } }),
    ];
    expect(volumesToCreate(mounts)).toEqual([
      { Name: 'a', Driver: 'nfs', DriverOpts: { o: 'addr=1' }, Labels: { l: '1' } },
      { Name: 'b', DriverOpts: {}, Labels: {} },
    ]);
  });
});

describe('host paths to look at before the start', () => {
  it('are the bind sources the engine does not make itself', () => {
    const mounts = [
      mount({ type: Type.BIND, source: '/a' }),
      mount({ type: Type.BIND, source: '/b', bindOptions: { createmountpoint: true } }),
      mount({ type: Type.VOLUME, source: 'c' }),
      mount({ type: Type.TMPFS }),
    ];
    expect(bindSources(mounts)).toEqual(['/a']);
  });
});
