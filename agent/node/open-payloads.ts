import { EngineUnreachable } from '#agent/engine/engine-error.ts';
import type { EngineState } from '#agent/engine/engine-watch.ts';
import { type ContainerRoot, PayloadStore } from '#agent/payload/store.ts';
import { payloadRoot } from './task-payloads.ts';

/**
 * Opens the place of secrets and configs for this engine: with userns-remap, root of a container is another user on the
 * host, and files must belong to that one.
 */
export async function openPayloads(runDir: string, state: EngineState): Promise<PayloadStore> {
  const info = state.kind === 'connecting' ? undefined : state.facts?.info;
  if (!info) throw new EngineUnreachable('its address', new Error('not asked yet how it maps users'));
  const options = info.SecurityOptions ?? [];
  return PayloadStore.open(payloadRoot(runDir), {
    selinux: options.some((option) => option.includes('name=selinux')),
    ...(options.some((option) => option.includes('name=userns'))
      ? { containerRoot: remappedRoot(info.DockerRootDir) }
      : {}),
  });
}

/** An engine with userns-remap keeps its data in a directory named after the mapped root: `/var/lib/docker/UID.GID`. */
export function remappedRoot(dockerRootDir: string): ContainerRoot {
  const match = /\/(\d+)\.(\d+)$/.exec(dockerRootDir);
  if (!match) throw new Error(`the engine remaps users, but ${dockerRootDir} does not say to whom`);
  return { uid: Number(match[1]), gid: Number(match[2]) };
}
