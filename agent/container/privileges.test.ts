import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import {
  Privileges_AppArmorOpts_AppArmorMode as AppArmorMode,
  PrivilegesSchema,
  Privileges_SeccompOpts_SeccompMode as SeccompMode,
} from '#proto/gen/swarmkit/types_pb.js';
import { securityOptions } from './privileges.ts';

type Init = MessageInitShape<typeof PrivilegesSchema>;
const profile = '{"defaultAction":"SCMP_ACT_ALLOW","note":"ü"}';

it('is empty for no privileges', () => {
  expect(securityOptions(undefined)).toEqual([]);
});

it.each<[string, Init, readonly string[]]>([
  ['nothing', {}, []],
  ['defaults', { seccomp: {}, apparmor: {}, selinuxContext: {}, credentialSpec: {} }, []],
  ['SELinux off', { selinuxContext: { disable: true } }, ['label=disable']],
  [
    'SELinux context',
    { selinuxContext: { user: 'u', role: 'r', type: 't', level: 'l' } },
    ['label=user:u', 'label=role:r', 'label=level:l', 'label=type:t'],
  ],
  ['seccomp off', { seccomp: { mode: SeccompMode.UNCONFINED } }, ['seccomp=unconfined']],
  ['seccomp profile', { seccomp: { mode: SeccompMode.CUSTOM, profile: Buffer.from(profile) } }, [`seccomp=${profile}`]],
  ['AppArmor off', { apparmor: { mode: AppArmorMode.DISABLED } }, ['apparmor=unconfined']],
  ['no new privileges', { noNewPrivileges: true }, ['no-new-privileges=true']],
])('%s', (_, init, expected) => {
  expect(securityOptions(create(PrivilegesSchema, init))).toEqual(expected);
});

it.each<[string, Init, string]>([
  [
    'a credential spec',
    { credentialSpec: { source: { case: 'file', value: 'spec.json' } } },
    'invalid --security-opt 2: "credentialspec=file://spec.json"',
  ],
  [
    'a credential spec by config',
    { credentialSpec: { source: { case: 'config', value: 'id' } } },
    'invalid --security-opt 2: "credentialspec=config://id"',
  ],
  ['a seccomp mode of the future', { seccomp: { mode: 9 as SeccompMode } }, 'unknown seccomp mode: 9'],
  ['an AppArmor mode of the future', { apparmor: { mode: 9 as AppArmorMode } }, 'unknown AppArmor mode: 9'],
])('refuses %s', (_, init, message) => {
  expect(() => securityOptions(create(PrivilegesSchema, init))).toThrow(
    expect.objectContaining({ code: 'bad-task-spec', message: expect.stringContaining(message) }),
  );
});
