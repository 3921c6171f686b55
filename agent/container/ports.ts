import { create } from '@bufbuild/protobuf';
import type Docker from 'dockerode';
import {
  type Endpoint,
  type PortConfig,
  PortConfigSchema,
  PortConfig_Protocol as Protocol,
  PortConfig_PublishMode as PublishMode,
} from '#proto/gen/swarmkit/types_pb.js';
import type { PortBindingBody } from './engine-bodies.ts';

type ProtocolName = 'tcp' | 'udp' | 'sctp';

const PROTOCOL_NAMES: Readonly<Record<number, ProtocolName>> = {
  [Protocol.TCP]: 'tcp',
  [Protocol.UDP]: 'udp',
  [Protocol.SCTP]: 'sctp',
};
const PROTOCOLS: Readonly<Record<string, Protocol>> = { tcp: Protocol.TCP, udp: Protocol.UDP, sctp: Protocol.SCTP };

const MAX_PORT = 65535;

/** A port of the container that is published on this host itself, not through the routing mesh. */
export interface HostPort {
  readonly protocol: ProtocolName;
  readonly targetPort: number;
  /** 0 lets the engine choose one. */
  readonly publishedPort: number;
}

/** The host-mode ports of a task; a target that is no port, or a protocol nobody knows, is left out. */
export function hostPorts(endpoint: Endpoint | undefined): readonly HostPort[] {
  return (endpoint?.ports ?? []).flatMap((port) => {
    const protocol = PROTOCOL_NAMES[port.protocol];
    const usable = port.publishMode === PublishMode.HOST && protocol !== undefined && port.targetPort <= MAX_PORT;
    return usable ? [{ protocol, targetPort: port.targetPort, publishedPort: port.publishedPort }] : [];
  });
}

/**
 * Host ports as the engine's bindings, by `port/protocol`. One container port published twice is bound twice (Docker's
 * worker binds only the last).
 */
export function portBindings(ports: readonly HostPort[]): Readonly<Record<string, readonly PortBindingBody[]>> {
  const bindings: Record<string, PortBindingBody[]> = {};
  for (const { protocol, targetPort, publishedPort } of ports) {
    const key = `${targetPort}/${protocol}`;
    const binding = publishedPort === 0 ? {} : { HostPort: String(publishedPort) };
    bindings[key] = [...(bindings[key] ?? []), binding];
  }
  return bindings;
}

/**
 * The ports the engine has really bound, for the task's status: one entry a binding, so usually one for IPv4 and one
 * for IPv6; none once the container has stopped (spec swarmkit-worker §5.5).
 *
 * @param ports `NetworkSettings.Ports` of the container's inspection
 */
export function boundPorts(
  ports: Docker.ContainerInspectInfo['NetworkSettings']['Ports'] | undefined,
): readonly PortConfig[] {
  return Object.entries(ports ?? {}).flatMap(([key, bindings]) => {
    const [targetPort, name = ''] = key.split('/');
    const protocol = PROTOCOLS[name];
    if (protocol === undefined) return [];
    return (bindings ?? []).map((binding) =>
      create(PortConfigSchema, {
        publishMode: PublishMode.HOST,
        protocol,
        targetPort: Number(targetPort),
        publishedPort: Number(binding.HostPort),
      }),
    );
  });
}
