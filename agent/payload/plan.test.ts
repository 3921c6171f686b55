import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ConfigSchema, ContainerSpecSchema, SecretSchema } from '#proto/gen/swarmkit/types_pb.js';
import { withPayloadMounts } from './mounts.ts';
import { type PayloadSources, planPayload } from './plan.ts';
import { payloadTargets } from './targets.ts';

type SpecInit = MessageInitShape<typeof ContainerSpecSchema>;
const targets = (init: SpecInit) => payloadTargets(create(ContainerSpecSchema, init));

function secretRef(secretId: string, name: string, extra: { uid?: string; gid?: string; mode?: number } = {}) {
  const value = { name, uid: '0', gid: '0', mode: 0o444, ...extra };
  return { secretId, secretName: `name-of-${secretId}`, target: { case: 'file' as const, value } };
}

function configRef(configId: string, name: string) {
  return { configId, target: { case: 'file' as const, value: { name, uid: '0', gid: '0', mode: 0o444 } } };
}

/** What the manager assigned: text by id, with a template driver after a `|`. */
function sources(secrets: Record<string, string>, configs: Record<string, string> = {}): PayloadSources {
  const spec = (text: string) => {
    const [data = '', driver] = text.split('|');
    return { data: Buffer.from(data), ...(driver !== undefined && { templating: { name: driver } }) };
  };
  const find = (map: Record<string, string>, id: string) => (Object.hasOwn(map, id) ? map[id] : undefined);
  return {
    secret: (id) => {
      const text = find(secrets, id);
      return text === undefined ? undefined : create(SecretSchema, { id, spec: spec(text) });
    },
    config: (id) => {
      const text = find(configs, id);
      return text === undefined ? undefined : create(ConfigSchema, { id, spec: spec(text) });
    },
  };
}

const shout = (payload: Uint8Array) => Buffer.from(Buffer.from(payload).toString().toUpperCase());
const plan = (init: SpecInit, from: PayloadSources) => planPayload('task1', targets(init), from, shout);

describe('where a secret or config appears', () => {
  it.each([
    ['secret', 'name', '/run/secrets/name'],
    ['secret', 'sub/name', '/run/secrets/sub/name'],
    ['secret', '../name', '/run/name'],
    ['secret', '/etc/name', '/etc/name'],
    ['config', 'name', '/name'],
    ['config', 'etc/name', '/etc/name'],
    ['config', '/etc//name', '/etc/name'],
    ['config', '../../name', '/name'],
  ])('%s %s at %s', (kind, name, expected) => {
    const init = kind === 'secret' ? { secrets: [secretRef('s', name)] } : { configs: [configRef('s', name)] };
    expect(targets(init).map(({ target }) => target)).toEqual([expected]);
  });

  it('is nowhere for references that are no files', () => {
    expect(
      targets({ secrets: [{ secretId: 's' }], configs: [{ configId: 'c', target: { case: 'runtime', value: {} } }] }),
    ).toEqual([]);
  });

  it.each([
    ['an id that leads elsewhere', { secrets: [secretRef('../../etc/passwd', 'x')] }, 'not an id: "../../etc/passwd"'],
    ['no id', { configs: [configRef('', 'x')] }, 'not an id: ""'],
    ['no name', { secrets: [secretRef('s', '')] }, 'secret s has a target that is no file: ""'],
    ['the root', { configs: [configRef('c', '/')] }, 'config c has a target that is no file: "/"'],
  ])('is refused for %s', (_, init, message) => {
    expect(() => targets(init)).toThrow(expect.objectContaining({ code: 'bad-task-spec', message }));
  });
});

describe('the files', () => {
  it('have content, owner and mode', () => {
    const init = {
      secrets: [secretRef('s', 'a', { uid: '33', gid: '44', mode: 0o100400 })],
      configs: [configRef('c', 'b')],
    };
    expect(plan(init, sources({ s: 'secret' }, { c: 'config' }))).toEqual([
      { fileName: 'secret-s', bytes: Buffer.from('secret'), mode: 0o400, uid: 33, gid: 44 },
      { fileName: 'config-c', bytes: Buffer.from('config'), mode: 0o444, uid: 0, gid: 0 },
    ]);
  });

  it("prefer a driver's value for this task", () => {
    const from = sources({ s: 'common', 's.task1': 'mine', 's.task2': 'other' });
    expect(text(plan({ secrets: [secretRef('s', 'a')] }, from))).toEqual(['mine']);
  });

  it('are one for an object referenced twice: the last owner and mode hold', () => {
    const init = { secrets: [secretRef('s', 'a', { uid: '1' }), secretRef('s', 'b', { uid: '2', mode: 0o600 })] };
    expect(targets(init).map(({ fileName, target }) => [fileName, target])).toEqual([
      ['secret-s', '/run/secrets/a'],
      ['secret-s', '/run/secrets/b'],
    ]);
    expect(plan(init, sources({ s: 'x' }))).toMatchObject([{ fileName: 'secret-s', uid: 2, mode: 0o600 }]);
  });

  it('of a secret and a config with one id are two', () => {
    const init = { secrets: [secretRef('x', 'a')], configs: [configRef('x', 'b')] };
    expect(text(plan(init, sources({ x: 'secret' }, { x: 'config' })))).toEqual(['secret', 'config']);
  });

  it('are filled in when they are templates', () => {
    const init = { secrets: [secretRef('s', 'a'), secretRef('t', 'b')], configs: [configRef('c', 'c')] };
    const from = sources({ s: 'plain', t: 'shout|golang' }, { c: 'shout|golang' });
    expect(text(plan(init, from))).toEqual(['plain', 'SHOUT', 'SHOUT']);
  });

  it.each<[string, SpecInit, PayloadSources, string]>([
    [
      'a missing secret',
      { secrets: [secretRef('s', 'a')] },
      sources({}),
      'unable to get secret from secret store: secret s not found',
    ],
    [
      'a missing config',
      { configs: [configRef('c', 'a')] },
      sources({}),
      'unable to get config from config store: config c not found',
    ],
    [
      'another template language',
      { configs: [configRef('c', 'a')] },
      sources({}, { c: 'x|jinja' }),
      'unable to get config from config store: failed to expand templated config c: unrecognized template type',
    ],
    [
      'an owner that is a name',
      { secrets: [secretRef('s', 'a', { uid: 'nobody' })] },
      sources({ s: 'x' }),
      'strconv.Atoi: parsing "nobody": invalid syntax',
    ],
    [
      'no group',
      { secrets: [secretRef('s', 'a', { gid: '' })] },
      sources({ s: 'x' }),
      'strconv.Atoi: parsing "": invalid syntax',
    ],
    [
      'the id that means "leave it"',
      { secrets: [secretRef('s', 'a', { gid: '4294967295' })] },
      sources({ s: 'x' }),
      'strconv.Atoi: parsing "4294967295": value out of range',
    ],
    [
      'a negative id',
      { secrets: [secretRef('s', 'a', { uid: '-1' })] },
      sources({ s: 'x' }),
      'strconv.Atoi: parsing "-1": value out of range',
    ],
  ])('cannot be had with %s', (_, init, from, message) => {
    expect(() => plan(init, from)).toThrow(expect.objectContaining({ code: 'bad-payload', message }));
  });

  it('say which template is wrong, and why', () => {
    const broken = () => {
      throw new Error('template: no');
    };
    const init = { configs: [configRef('c', 'a')] };
    expect(() => planPayload('t', targets(init), sources({}, { c: 'x|golang' }), broken)).toThrow(
      'unable to get config from config store: failed to expand templated config c: template: no',
    );
  });

  function text(files: ReturnType<typeof plan>) {
    return files.map(({ bytes }) => Buffer.from(bytes).toString());
  }
});

describe('the mounts of the files', () => {
  it('are read-only binds, over whatever else is mounted at that place', () => {
    const init = {
      secrets: [secretRef('s', 'a'), secretRef('t', '/both')],
      configs: [configRef('c', 'both')],
    };
    const own = [
      { Type: 'tmpfs', Target: '/run/secrets' },
      { Type: 'bind', Source: '/x', Target: '/both/' },
    ] as const;
    const bind = (file: string, target: string) => ({
      Type: 'bind',
      Source: `/run/netd/tasks/t1/${file}`,
      Target: target,
      ReadOnly: true,
      BindOptions: { Propagation: 'rprivate' },
    });
    expect(withPayloadMounts(own, targets(init), '/run/netd/tasks/t1')).toEqual([
      { Type: 'tmpfs', Target: '/run/secrets' },
      bind('secret-s', '/run/secrets/a'),
      bind('config-c', '/both'),
    ]);
  });
});
