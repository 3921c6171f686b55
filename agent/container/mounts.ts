import {
  type Mount,
  type Mount_BindOptions,
  type Mount_TmpfsOptions,
  Mount_Type,
  type Mount_VolumeOptions,
  Mount_BindOptions_Propagation as Propagation,
} from '#proto/gen/swarmkit/types_pb.js';
import type {
  BindOptionsBody,
  MountBody,
  TmpfsOptionsBody,
  VolumeCreateBody,
  VolumeOptionsBody,
} from './engine-bodies.ts';
import { SpecError } from './spec-error.ts';

const TYPES: Readonly<Record<number, MountBody['Type']>> = {
  [Mount_Type.BIND]: 'bind',
  [Mount_Type.VOLUME]: 'volume',
  [Mount_Type.TMPFS]: 'tmpfs',
};

const PROPAGATIONS: Readonly<Record<number, BindOptionsBody['Propagation']>> = {
  [Propagation.RPRIVATE]: 'rprivate',
  [Propagation.PRIVATE]: 'private',
  [Propagation.RSHARED]: 'rshared',
  [Propagation.SHARED]: 'shared',
  [Propagation.RSLAVE]: 'rslave',
  [Propagation.SLAVE]: 'slave',
};

/**
 * A task's mounts as the engine takes them, one to one (spec swarmkit-worker §2.11, §4.9). `consistency` means nothing
 * on Linux and is not sent.
 *
 * @throws SpecError for a type or propagation this version does not know
 */
export function mountBodies(mounts: readonly Mount[]): readonly MountBody[] {
  return mounts.map((mount) => {
    const type = TYPES[mount.type];
    if (type === undefined) throw new SpecError(`invalid mount type: ${mount.type}`);
    return {
      Type: type,
      Target: mount.target,
      ...(mount.source && { Source: mount.source }),
      ...(mount.readonly && { ReadOnly: true }),
      ...(mount.bindOptions && { BindOptions: bindOptions(mount.bindOptions) }),
      ...(mount.volumeOptions && { VolumeOptions: volumeOptions(mount.volumeOptions) }),
      ...(mount.tmpfsOptions && { TmpfsOptions: tmpfsOptions(mount.tmpfsOptions) }),
    };
  });
}

function bindOptions(options: Mount_BindOptions): BindOptionsBody {
  const propagation = PROPAGATIONS[options.propagation];
  if (propagation === undefined) throw new SpecError(`invalid propagation mode: ${options.propagation}`);
  return {
    Propagation: propagation,
    ...(options.nonrecursive && { NonRecursive: true }),
    ...(options.createmountpoint && { CreateMountpoint: true }),
    ...(options.readonlynonrecursive && { ReadOnlyNonRecursive: true }),
    ...(options.readonlyforcerecursive && { ReadOnlyForceRecursive: true }),
  };
}

function volumeOptions(options: Mount_VolumeOptions): VolumeOptionsBody {
  const driver = options.driverConfig;
  return {
    ...(options.nocopy && { NoCopy: true }),
    ...(hasMembers(options.labels) && { Labels: { ...options.labels } }),
    ...(options.subpath && { Subpath: options.subpath }),
    ...(driver && {
      DriverConfig: {
        ...(driver.name && { Name: driver.name }),
        ...(hasMembers(driver.options) && { Options: { ...driver.options } }),
      },
    }),
  };
}

function tmpfsOptions(options: Mount_TmpfsOptions): TmpfsOptionsBody {
  const list = parseTmpfsOptions(options.options);
  return {
    ...(options.sizeBytes !== 0n && { SizeBytes: Number(options.sizeBytes) }),
    ...(options.mode !== 0 && { Mode: options.mode }),
    ...(list.length > 0 && { Options: list }),
  };
}

/** A JSON array of `[name]` and `[name, value]`. What is not one counts as no options, as in Docker's worker. */
function parseTmpfsOptions(text: string): readonly (readonly string[])[] {
  if (text === '') return [];
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && parsed.every(isTextList) ? parsed : [];
  } catch {
    return [];
  }
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function hasMembers(record: Readonly<Record<string, string>>): boolean {
  return Object.keys(record).length > 0;
}

/**
 * The volumes to create before the container: those whose mount names a driver, so that a volume of that name with
 * another driver is an error and not silently used. All others the engine creates with the container (spec
 * swarmkit-worker §4.16).
 */
export function volumesToCreate(mounts: readonly Mount[]): readonly VolumeCreateBody[] {
  return mounts.flatMap((mount) => {
    const driver = mount.type === Mount_Type.VOLUME ? mount.volumeOptions?.driverConfig : undefined;
    // Created ahead without a name, a volume would be a second one that nothing uses.
    if (driver === undefined || mount.source === '') return [];
    return [
      {
        Name: mount.source,
        ...(driver.name && { Driver: driver.name }),
        DriverOpts: { ...driver.options },
        Labels: { ...mount.volumeOptions?.labels },
      },
    ];
  });
}

/**
 * Host paths that must be there when the container starts. A path the engine shall make itself (create-mountpoint) is
 * not one; Docker's worker refuses those too, which defeats the option.
 */
export function bindSources(mounts: readonly Mount[]): readonly string[] {
  return mounts
    .filter((mount) => mount.type === Mount_Type.BIND && !mount.bindOptions?.createmountpoint)
    .map((mount) => mount.source);
}

/** Docker's words for a bind source that has gone away since the container was created (after `starting container failed: `). */
export function missingBindSource(path: string): string {
  return `invalid bind mount source, source path not found: ${path}`;
}
