import { errorText } from '#base/errors.ts';
import type { Config, ConfigSpec, Secret, SecretSpec } from '#proto/gen/swarmkit/types_pb.js';
import { unixMode } from './file-mode.ts';
import { ownerId } from './owner.ts';
import { PayloadError } from './payload-error.ts';
import type { PayloadTarget } from './targets.ts';

/** A file in the task's directory on the host, which its container sees read-only at the target. */
export interface PayloadFile {
  readonly fileName: string;
  readonly bytes: Uint8Array;
  /** Permission bits as chmod(2) takes them. */
  readonly mode: number;
  /** In the container's numbering: a user namespace's offset is not in it. */
  readonly uid: number;
  readonly gid: number;
}

/** The secrets and configs the manager assigned to this node. */
export interface PayloadSources {
  readonly secret: (id: string) => Secret | undefined;
  readonly config: (id: string) => Config | undefined;
}

/** Fills in a payload that is a template; throws what the template got wrong. */
export type ExpandPayload = (payload: Uint8Array) => Uint8Array;

/**
 * The files of a task's secrets and configs, with their content. One file an object: when it is referenced twice, the
 * last reference's owner and mode hold (spec swarmkit-worker §4.13).
 *
 * @throws PayloadError when one is not there, cannot be filled in, or has no proper owner
 */
export function planPayload(
  taskId: string,
  targets: readonly PayloadTarget[],
  sources: PayloadSources,
  expand: ExpandPayload,
): readonly PayloadFile[] {
  const files = new Map<string, PayloadFile>();
  for (const target of targets) {
    files.set(target.fileName, {
      fileName: target.fileName,
      bytes:
        target.kind === 'secret'
          ? secretData(target.id, taskId, sources, expand)
          : configData(target.id, sources, expand),
      mode: unixMode(target.file.mode),
      uid: ownerId(target.file.uid),
      gid: ownerId(target.file.gid),
    });
  }
  return [...files.values()];
}

/**
 * A secret as the manager assigned it. A driver's value for one task alone comes under an id of its own, and goes before
 * the common one.
 *
 * @throws PayloadError when it was not assigned
 */
export function secretSpec(id: string, taskId: string, sources: PayloadSources): SecretSpec {
  const spec = (sources.secret(`${id}.${taskId}`) ?? sources.secret(id))?.spec;
  if (spec === undefined) throw new PayloadError(`secret ${id} not found`);
  return spec;
}

/** @throws PayloadError when it was not assigned */
export function configSpec(id: string, sources: PayloadSources): ConfigSpec {
  const spec = sources.config(id)?.spec;
  if (spec === undefined) throw new PayloadError(`config ${id} not found`);
  return spec;
}

function secretData(id: string, taskId: string, sources: PayloadSources, expand: ExpandPayload): Uint8Array {
  return saying('unable to get secret from secret store', () =>
    filledIn(`failed to expand templated secret ${id}`, secretSpec(id, taskId, sources), expand),
  );
}

function configData(id: string, sources: PayloadSources, expand: ExpandPayload): Uint8Array {
  return saying('unable to get config from config store', () =>
    filledIn(`failed to expand templated config ${id}`, configSpec(id, sources), expand),
  );
}

function filledIn(what: string, spec: SecretSpec | ConfigSpec, expand: ExpandPayload): Uint8Array {
  if (spec.templating === undefined) return spec.data;
  if (spec.templating.name !== 'golang') throw new PayloadError(`${what}: unrecognized template type`);
  return saying(what, () => expand(spec.data));
}

function saying<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new PayloadError(`${what}: ${errorText(error)}`, error);
  }
}
