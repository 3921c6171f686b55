import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ContainerSpecSchema, type GenericResource, GenericResourceSchema } from '#proto/gen/swarmkit/types_pb.js';
import { genericResourceEnv } from './env.ts';
import { expandSpec } from './expand-spec.ts';

const shout = (text: string) => text.toUpperCase();

describe('filling in a spec', () => {
  it('reaches the fields that may hold templates and no other', () => {
    const spec = create(ContainerSpecSchema, {
      image: 'image',
      hostname: 'host',
      command: ['command'],
      args: ['arg'],
      user: 'user',
      dir: '/dir',
      labels: { label: 'label' },
      hosts: ['1.2.3.4 name'],
      env: ['key=value=more', 'bare', 'empty=', '=odd'],
      mounts: [
        {
          source: 'source',
          target: '/target',
          volumeOptions: {
            labels: { key: 'label' },
            subpath: 'subpath',
            driverConfig: { name: 'driver', options: { key: 'option' } },
          },
        },
        { source: 's', target: '/t' },
      ],
    });
    const before = structuredClone(spec);
    expect(expandSpec(spec, shout)).toMatchObject({
      image: 'image',
      hostname: 'HOST',
      command: ['command'],
      args: ['arg'],
      user: 'user',
      dir: '/dir',
      labels: { label: 'label' },
      hosts: ['1.2.3.4 name'],
      env: ['key=VALUE=MORE', 'bare', 'empty=', '=ODD'],
      mounts: [
        {
          source: 'SOURCE',
          target: '/TARGET',
          volumeOptions: {
            labels: { key: 'LABEL' },
            subpath: 'subpath',
            driverConfig: { name: 'driver', options: { key: 'OPTION' } },
          },
        },
        { source: 'S', target: '/T' },
      ],
    });
    expect(spec).toEqual(before);
  });

  it.each([
    ['env', { env: ['A=bad'] }, 'expanding env failed: expanding env "A=bad": no'],
    ['hostname', { hostname: 'bad' }, 'expanding hostname failed: no'],
    ['source', { mounts: [{ source: 'bad' }] }, 'expanding mounts failed: expanding mount source "bad": no'],
    ['target', { mounts: [{ target: 'bad' }] }, 'expanding mounts failed: expanding mount target "bad": no'],
    [
      'volume label',
      { mounts: [{ volumeOptions: { labels: { k: 'bad' } } }] },
      'expanding mounts failed: expanding volume labels: expanding map entry "k"="bad": no',
    ],
    [
      'driver option',
      { mounts: [{ volumeOptions: { driverConfig: { options: { k: 'bad' } } } }] },
      'expanding mounts failed: expanding volume driver config: expanding map entry "k"="bad": no',
    ],
  ])('says which field is wrong: %s', (_, init, message) => {
    const refuse = (text: string) => {
      if (text === 'bad') throw new Error('no');
      return text;
    };
    expect(() => expandSpec(create(ContainerSpecSchema, init), refuse)).toThrow(
      expect.objectContaining({ code: 'bad-task-spec', message }),
    );
  });
});

describe('generic resources in the environment', () => {
  it('are grouped by kind, in order', () => {
    expect(genericResourceEnv([named('gpu', 'UUID1'), count('ssd', 2n), named('gpu', 'UUID2')])).toEqual([
      'DOCKER_RESOURCE_GPU=UUID1,UUID2',
      'DOCKER_RESOURCE_SSD=2',
    ]);
  });

  it('are none for none, also when an entry is empty', () => {
    expect(genericResourceEnv([])).toEqual([]);
    expect(genericResourceEnv([create(GenericResourceSchema, {})])).toEqual([]);
  });

  function named(kind: string, value: string): GenericResource {
    return create(GenericResourceSchema, { resource: { case: 'namedResourceSpec', value: { kind, value } } });
  }

  function count(kind: string, value: bigint): GenericResource {
    return create(GenericResourceSchema, { resource: { case: 'discreteResourceSpec', value: { kind, value } } });
  }
});
