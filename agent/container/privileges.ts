import {
  Privileges_AppArmorOpts_AppArmorMode as AppArmorMode,
  type Privileges,
  type Privileges_AppArmorOpts,
  type Privileges_CredentialSpec,
  type Privileges_SELinuxContext,
  type Privileges_SeccompOpts,
  Privileges_SeccompOpts_SeccompMode as SeccompMode,
} from '#proto/gen/swarmkit/types_pb.js';
import { quoted, SpecError } from './spec-error.ts';

/**
 * The engine's `SecurityOpt` list for a task's privileges (spec swarmkit-worker §4.9). A seccomp or AppArmor mode this
 * version does not know is refused: to run a container with less confinement than asked for would be worse.
 *
 * @throws SpecError also for a credential spec, which is a thing of Windows containers
 */
export function securityOptions(privileges: Privileges | undefined): readonly string[] {
  if (privileges === undefined) return [];
  refuseCredentialSpec(privileges.credentialSpec);
  return [
    ...selinux(privileges.selinuxContext),
    ...seccomp(privileges.seccomp),
    ...appArmor(privileges.apparmor),
    ...(privileges.noNewPrivileges ? ['no-new-privileges=true'] : []),
  ];
}

/** An empty message is what some clients send for "none". */
function refuseCredentialSpec(credentials: Privileges_CredentialSpec | undefined): void {
  const source = credentials?.source;
  if (source?.case === undefined) return;
  const option = `credentialspec=${source.case}://${source.value}`;
  throw new SpecError(
    `invalid --security-opt 2: ${quoted(option)}: credential specs are for Windows containers, this node runs Linux`,
  );
}

function selinux(context: Privileges_SELinuxContext | undefined): readonly string[] {
  if (context === undefined) return [];
  return [
    ...(context.disable ? ['label=disable'] : []),
    ...(context.user ? [`label=user:${context.user}`] : []),
    ...(context.role ? [`label=role:${context.role}`] : []),
    ...(context.level ? [`label=level:${context.level}`] : []),
    ...(context.type ? [`label=type:${context.type}`] : []),
  ];
}

function seccomp(options: Privileges_SeccompOpts | undefined): readonly string[] {
  if (options === undefined) return [];
  switch (options.mode) {
    case SeccompMode.DEFAULT:
      return [];
    case SeccompMode.UNCONFINED:
      return ['seccomp=unconfined'];
    case SeccompMode.CUSTOM:
      return [`seccomp=${Buffer.from(options.profile).toString('utf8')}`];
    default:
      throw new SpecError(`unknown seccomp mode: ${String(options.mode satisfies never)}`);
  }
}

function appArmor(options: Privileges_AppArmorOpts | undefined): readonly string[] {
  if (options === undefined) return [];
  switch (options.mode) {
    case AppArmorMode.DEFAULT:
      return [];
    case AppArmorMode.DISABLED:
      return ['apparmor=unconfined'];
    default:
      throw new SpecError(`unknown AppArmor mode: ${String(options.mode satisfies never)}`);
  }
}
