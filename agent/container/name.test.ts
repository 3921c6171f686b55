import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { containerLabels } from './labels.ts';
import { containerName } from './name.ts';

const base = { id: 'task1', nodeId: 'node1', serviceId: 'svc1', serviceAnnotations: { name: 'web' } } as const;

describe('the name of a container', () => {
  it.each([
    ['a replica by its slot', { ...base, slot: 3n }, 'web.3.task1'],
    ['a global task by its node', { ...base, slot: 0n }, 'web.node1.task1'],
    ['the name the manager chose', { ...base, slot: 3n, annotations: { name: 'chosen' } }, 'chosen'],
    ['a slot beyond 2^53, exactly', { ...base, slot: 2n ** 63n + 1n }, 'web.9223372036854775809.task1'],
    ['a task without a service', { id: 'task1', slot: 1n }, '.1.task1'],
  ])('%s', (_, init, expected) => {
    expect(containerName(create(TaskSchema, init))).toBe(expected);
  });
});

describe('the labels of a container', () => {
  const spec = (labels: Record<string, string>) => ({ labels });

  it('are the six of the system when nothing else is given', () => {
    const task = create(TaskSchema, { ...base, slot: 1n, spec: container({}) });
    expect(labelsOf(task)).toEqual({
      'com.docker.swarm.task': '',
      'com.docker.swarm.task.id': 'task1',
      'com.docker.swarm.task.name': 'web.1.task1',
      'com.docker.swarm.node.id': 'node1',
      'com.docker.swarm.service.id': 'svc1',
      'com.docker.swarm.service.name': 'web',
    });
  });

  it('rank: spec below task below system', () => {
    const task = create(TaskSchema, {
      ...base,
      annotations: { labels: { b: 'task', 'com.docker.swarm.task': 'task', 'com.docker.swarm.task.id': 'task' } },
      serviceAnnotations: { name: 'web', labels: { service: 'never' } },
      spec: container(spec({ a: 'spec', b: 'spec', 'com.docker.swarm.node.id': 'spec' })),
    });
    expect(labelsOf(task)).toMatchObject({
      a: 'spec',
      b: 'task',
      'com.docker.swarm.task': '',
      'com.docker.swarm.task.id': 'task1',
      'com.docker.swarm.node.id': 'node1',
    });
    expect(labelsOf(task)).not.toHaveProperty('service');
  });

  function container(value: { labels?: Record<string, string> }) {
    return { runtime: { case: 'container' as const, value } };
  }

  function labelsOf(task: ReturnType<typeof create<typeof TaskSchema>>) {
    const runtime = task.spec?.runtime;
    if (runtime?.case !== 'container') throw new Error('not a container');
    return containerLabels(task, runtime.value);
  }
});
