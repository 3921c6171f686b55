import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { ConfigSchema, ContainerSpecSchema, SecretSchema, TaskSchema } from '#proto/gen/swarmkit/types_pb.js';
import { payloadExpander } from './payload-expander.ts';

const file = (name: string) => ({ case: 'file' as const, value: { name, uid: '0', gid: '0', mode: 0o444 } });
const spec = create(ContainerSpecSchema, {
  env: ['COLOR=blue=ish', 'COLOR=second', 'BARE'],
  secrets: [
    { secretId: 's1', target: file('password') },
    { secretId: 'gone', target: file('missing') },
  ],
  configs: [{ configId: 'c1', target: file('/etc/app.conf') }],
});
const task = create(TaskSchema, {
  id: 'task1',
  nodeId: 'node1',
  serviceId: 'service1',
  slot: 2n,
  serviceAnnotations: { name: 'web', labels: { tier: 'front' } },
});
const secret = (id: string, data: string) =>
  create(SecretSchema, { id, spec: { data: Buffer.from(data), templating: { name: 'golang' } } });

const expand = payloadExpander(task, spec, {
  secret: (id) => (id === 's1.task1' ? secret(id, 'hunter2 {{raw}}') : id === 's1' ? secret(id, 'common') : undefined),
  config: (id) => (id === 'c1' ? create(ConfigSchema, { id, spec: { data: Buffer.from('listen 80') } }) : undefined),
});
const text = (template: string) => Buffer.from(expand(Buffer.from(template))).toString();

it.each([
  ['no template', 'no template'],
  ['{{secret "password"}}', 'hunter2 {{raw}}'],
  ['{{config "/etc/app.conf"}}', 'listen 80'],
  ['{{env "COLOR"}}', 'blue=ish'],
  ['[{{env "BARE"}}{{env "ABSENT"}}]', '[]'],
  ['{{.Service.Name}} {{.Service.ID}} {{index .Service.Labels "tier"}}', 'web service1 front'],
  ['{{.Task.Name}} {{.Task.ID}} {{.Task.Slot}}', 'web.2.task1 task1 2'],
  ['{{.Node.ID}} [{{.Node.Hostname}}{{.Node.Platform.OS}}]', 'node1 []'],
])('%s gives %s', (template, expected) => {
  expect(text(template)).toBe(expected);
});

it.each([
  ['{{secret "name"}}', 'secret target name not found'],
  ['{{config "name"}}', 'config target name not found'],
  ['{{secret "missing"}}', 'secret gone not found'],
  ['{{.Service.Labels.absent}}', 'map has no entry for key "absent"'],
])('%s fails: %s', (template, message) => {
  expect(() => text(template)).toThrow(message);
});
