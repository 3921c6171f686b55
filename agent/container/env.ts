import type { GenericResource } from '#proto/gen/swarmkit/types_pb.js';

/** Fills in a template's placeholders; throws what the template got wrong. */
export type Expand = (text: string) => string;

/**
 * The environment entries with the values filled in: what follows the first `=`. The names, and entries without a
 * value, stay as they are (spec swarmkit-worker §4.14).
 */
export function expandEnv(entries: readonly string[], expand: Expand): readonly string[] {
  return entries.map((entry) => {
    const equals = entry.indexOf('=');
    return equals < 0 ? entry : entry.slice(0, equals + 1) + expand(entry.slice(equals + 1));
  });
}

/**
 * `DOCKER_RESOURCE_<KIND>=v1,v2` for each kind of generic resource the task was given: names of things, or a number
 * (spec swarmkit-worker §4.15).
 */
export function genericResourceEnv(assigned: readonly GenericResource[]): readonly string[] {
  const values = new Map<string, string[]>();
  for (const { resource } of assigned) {
    if (resource.case === undefined) continue;
    const { kind, value } = resource.value;
    values.set(kind, [...(values.get(kind) ?? []), value.toString()]);
  }
  return [...values].map(([kind, list]) => `DOCKER_RESOURCE_${kind.toUpperCase()}=${list.join(',')}`);
}
