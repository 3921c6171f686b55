import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { containerSpecOf } from './runtime.ts';

it.each<[string, MessageInitShape<typeof TaskSchema>, string]>([
  ['no spec', {}, 'exec: unsupported runtime'],
  ['no runtime', { spec: {} }, 'exec: unsupported runtime'],
  ['no image', { spec: { runtime: { case: 'container', value: {} } } }, 'dockerexec: image required'],
  [
    'a container of somebody else',
    { spec: { runtime: { case: 'attachment', value: { containerId: 'c' } } } },
    'overlay networks are not supported yet: attaching a container that is not a task',
  ],
  [
    'an engine plugin',
    { spec: { runtime: { case: 'generic', value: { kind: 'plugin' } } } },
    'runtime type "plugin" is not supported on this node: netd does not manage engine plugins',
  ],
  [
    'another runtime',
    { spec: { runtime: { case: 'generic', value: { kind: 'wasm' } } } },
    'unsupported runtime type: "wasm"',
  ],
])('a task with %s is refused', (_, init, message) => {
  expect(() => containerSpecOf(create(TaskSchema, init))).toThrow(
    expect.objectContaining({ code: 'bad-task-spec', message }),
  );
});
