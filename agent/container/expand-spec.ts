import { clone } from '@bufbuild/protobuf';
import { errorText } from '#base/errors.ts';
import { type ContainerSpec, ContainerSpecSchema, type Mount } from '#proto/gen/swarmkit/types_pb.js';
import { type Expand, expandEnv } from './env.ts';
import { quoted, SpecError } from './spec-error.ts';

/**
 * The spec with every template filled in: values of the environment, sources and targets of mounts, labels and driver
 * options of volumes, the hostname; nothing else is a template (spec swarmkit-worker §4.14).
 *
 * @param expand fills in one text
 * @throws SpecError naming the field, in Docker's words
 */
export function expandSpec(spec: ContainerSpec, expand: Expand): ContainerSpec {
  const expanded = clone(ContainerSpecSchema, spec);
  expanded.env = spec.env.flatMap((entry) =>
    inField(`expanding env failed: expanding env ${quoted(entry)}`, () => expandEnv([entry], expand)),
  );
  for (const mount of expanded.mounts) expandMount(mount, expand);
  expanded.hostname = inField('expanding hostname failed', () => expand(spec.hostname));
  return expanded;
}

/** Fills in a mount of our own copy, in place. */
function expandMount(mount: Mount, expand: Expand): void {
  const prefix = 'expanding mounts failed: expanding';
  mount.source = inField(`${prefix} mount source ${quoted(mount.source)}`, () => expand(mount.source));
  mount.target = inField(`${prefix} mount target ${quoted(mount.target)}`, () => expand(mount.target));
  if (mount.volumeOptions === undefined) return;
  mount.volumeOptions.labels = expandValues(mount.volumeOptions.labels, `${prefix} volume labels`, expand);
  const driver = mount.volumeOptions.driverConfig;
  if (driver) driver.options = expandValues(driver.options, `${prefix} volume driver config`, expand);
}

function expandValues(
  values: Readonly<Record<string, string>>,
  prefix: string,
  expand: Expand,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      const field = `${prefix}: expanding map entry ${quoted(key)}=${quoted(value)}`;
      return [key, inField(field, () => expand(value))];
    }),
  );
}

function inField<T>(field: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new SpecError(`${field}: ${errorText(error)}`, { cause: error });
  }
}
