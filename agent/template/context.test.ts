import { describe, expect, it } from 'vitest';
import { type PayloadLookups, payloadContext, specContext, TEMPLATE_NAME, type TemplateFacts } from './context.ts';
import { expand, expandBytes } from './template.ts';

const facts: TemplateFacts = {
  service: {
    id: 'service1',
    name: 'web',
    labels: { tier: 'front', 'com.example.zone': 'eu', grüße: 'välue', empty: '' },
  },
  node: { id: 'node1', hostname: 'host-1', platform: { architecture: 'x86_64', os: 'linux' } },
  task: { id: 'task1', name: 'web.3.task1', slot: 3n },
};

const inSpec = (template: string, of: TemplateFacts = facts) => expand(TEMPLATE_NAME, template, specContext(of));

const lookups: PayloadLookups = {
  secret: (target) => {
    if (target === 'broken') throw new Error('secret s9 not found');
    return target === 'db'
      ? Buffer.from('hunter2 {{.}}')
      : target === 'raw'
        ? Buffer.from([0xff, 0x00, 0xc3])
        : undefined;
  },
  config: (target) => (target === '/etc/ünit' ? Buffer.from('listen 80') : undefined),
  env: (name) => ({ COLOR: 'blue', FÜR: 'süß' })[name],
};
const inPayload = (template: string, of: TemplateFacts = facts) =>
  Buffer.from(expandBytes(TEMPLATE_NAME, Buffer.from(template), payloadContext(of, lookups)));

describe('the fields of a service see', () => {
  it.each([
    ['{{.Service.ID}}', 'service1'],
    ['{{.Service.Name}}', 'web'],
    ['{{.Service.Labels.tier}}', 'front'],
    ['{{.Service.Labels}}', 'map[com.example.zone:eu empty: grüße:välue tier:front]'],
    ['{{index .Service.Labels "com.example.zone"}}', 'eu'],
    ['[{{index .Service.Labels "absent"}}]', '[]'],
    ['{{index .Service.Labels "grüße"}}{{.Service.Labels.grüße}}', 'väluevälue'],
    ['{{range $k, $v := .Service.Labels}}{{$k}}={{$v}};{{end}}', 'com.example.zone=eu;empty=;grüße=välue;tier=front;'],
    ['{{.Node.ID}}', 'node1'],
    ['{{.Node.Hostname}}', 'host-1'],
    ['{{.Node.Platform.Architecture}}/{{.Node.Platform.OS}}', 'x86_64/linux'],
    ['{{.Task.ID}}', 'task1'],
    ['{{.Task.Name}}', 'web.3.task1'],
    ['{{.Task.Slot}}', '3'],
    ['{{printf "%T" .Task.Slot}}', 'string'],
    ['{{join "-" .Service.Name .Task.Slot "x"}}', 'web-3-x'],
    ['{{join "-"}}{{join "-" "a"}}', 'a'],
    ['{{.Service.Name | join "/" "data"}}', 'data/web'],
    ['{{if eq .Service.Name "web"}}w{{else}}o{{end}}-{{with .Node.Hostname}}{{.}}{{end}}', 'w-host-1'],
    ['{{- if and (ne .Task.Slot "1") (not .Service.Labels.empty) -}} yes {{- end -}}', 'yes'],
    ['/data/{{ .Service.Name }}/{{ .Task.Slot }}', '/data/web/3'],
    ['{{.Node.Platform}}', '{x86_64 linux}'],
    ['{{.Task}}', '{task1 web.3.task1 3}'],
    ['{{printf "%+v" .Task}}', '{ID:task1 Name:web.3.task1 Slot:3}'],
    ['{{printf "%#v" .Node.Platform}}', 'template.Platform{Architecture:"x86_64", OS:"linux"}'],
    ['{{printf "%T" .}}', '*template.Context'],
    ['no template }}', 'no template }}'],
    ['', ''],
  ])('%s as %s', (template, expected) => {
    expect(inSpec(template)).toBe(expected);
  });

  it('the whole context as Go shows a pointer to it', () => {
    const nothing = { ...facts, service: { ...facts.service, labels: {} } };
    const shown = '{{service1 web map[]} {node1 host-1 {x86_64 linux}} {task1 web.3.task1 3}}';
    expect(inSpec('{{.}} {{print .}}', nothing)).toBe(`${shown} &${shown}`);
    expect(inSpec('{{printf "%#v" .Service.Labels}} {{eq .Service.Labels nil}}', nothing)).toBe(
      'map[string]string(nil) true',
    );
  });

  it('the node id as the slot of a global service', () => {
    expect(inSpec('{{.Task.Slot}}', { ...facts, task: { ...facts.task, slot: 0 } })).toBe('node1');
    expect(inSpec('{{.Task.Slot}}', { ...facts, task: { ...facts.task, slot: 2n ** 64n - 1n } })).toBe(
      '18446744073709551615',
    );
  });

  it.each([
    ['{{.Service.Labels.x}}', '1:10: executing "expansion" at <.Service.Labels.x>: map has no entry for key "x"'],
    ['{{.Nope}}', '1:2: executing "expansion" at <.Nope>: can\'t evaluate field Nope in type *template.Context'],
    [
      '{{.Node.Platform.Arch}}',
      '1:7: executing "expansion" at <.Node.Platform.Arch>: can\'t evaluate field Arch in type template.Platform',
    ],
    [
      '\n{{.Service.name}}',
      '2:10: executing "expansion" at <.Service.name>: can\'t evaluate field name in type ' +
        'struct { ID string; Name string; Labels map[string]string }',
    ],
    [
      '{{.Service.Name 1}}',
      '1:10: executing "expansion" at <.Service.Name>: Name has arguments but cannot be invoked as function',
    ],
    [
      '{{join}}',
      '1:2: executing "expansion" at <join>: error calling join: runtime error: slice bounds out of range [1:0]',
    ],
    [
      '{{join "," .Service.Labels}}',
      '1:19: executing "expansion" at <.Service.Labels>: wrong type for value; expected string; got map[string]string',
    ],
    ['{{secret "db"}}', '1: function "secret" not defined'],
    ['{{env "COLOR"}}', '1: function "env" not defined'],
    ['{{', '1: unclosed action'],
  ])('no sense in %s', (template, message) => {
    expect(() => inSpec(template)).toThrow(expect.objectContaining({ message: `template: expansion:${message}` }));
  });
});

describe('a payload', () => {
  it.each([
    ['{{.Service.ID}} {{.Service.Name}} {{.Service.Labels.tier}}', 'service1 web front'],
    ['{{.Node.ID}} {{.Task.ID}} {{.Task.Name}} {{.Task.Slot}}', 'node1 task1 web.3.task1 3'],
    ['[{{.Node.Hostname}}|{{.Node.Platform.OS}}|{{.Node.Platform.Architecture}}]', '[||]'],
    ['{{secret "db"}}', 'hunter2 {{.}}'],
    ['{{config "/etc/ünit"}}', 'listen 80'],
    ['{{env "COLOR"}}{{env "FÜR"}}[{{env "ABSENT"}}]', 'bluesüß[]'],
    ['{{"COLOR" | env | printf "%q"}}', '"blue"'],
    ['{{join ":" "a" (env "COLOR")}}', 'a:blue'],
    ['{{with $p := secret "db"}}{{len $p}}{{end}}', '13'],
  ])('sees %s as %s', (template, expected) => {
    expect(inPayload(template).toString()).toBe(expected);
  });

  it.each([
    ['{{secret "nö"}}', 'at <secret "nö">: error calling secret: secret target nö not found'],
    ['{{config "db"}}', 'at <config "db">: error calling config: config target db not found'],
    ['{{"broken" | secret}}', 'at <secret>: error calling secret: secret s9 not found'],
    ['{{secret 1}}', 'at <1>: expected string; found 1'],
    ['{{secret}}', 'at <secret>: wrong number of args for secret: want 1 got 0'],
    ['{{env "A" "B"}}', 'at <env>: wrong number of args for env: want 1 got 2'],
    ['{{.Nope}}', "can't evaluate field Nope in type *template.PayloadContext"],
  ])('fails on %s', (template, message) => {
    expect(() => inPayload(template)).toThrow(message);
  });

  it('keeps the reason of a failed lookup', () => {
    expect(() => inPayload('{{secret "broken"}}')).toThrow(
      expect.objectContaining({ code: 'bad-template', line: 1, cause: new Error('secret s9 not found') }),
    );
  });

  it('may hold any bytes, and take in any', () => {
    const payload = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('{{secret "raw"}}é'), Buffer.from([0x80])]);
    const expanded = expandBytes(TEMPLATE_NAME, payload, payloadContext(facts, lookups));
    expect([...expanded]).toEqual([0xff, 0xfe, 0xff, 0x00, 0xc3, 0xc3, 0xa9, 0x80]);
  });

  it('that is no template is handed back untouched', () => {
    const payload = Buffer.from([0x7b, 0xff, 0x7d, 0x7d]);
    expect(expandBytes(TEMPLATE_NAME, payload, payloadContext(facts, lookups))).toBe(payload);
  });
});
