import type Docker from 'dockerode';

/**
 * The engine's request bodies as netd writes them (Docker Engine API, POST /containers/create and others, 1.41 to 1.52).
 * A member that is not wanted is absent: engines before the version that brought it ignore it, and an inspection shows
 * the engine's own default.
 */
export interface ContainerCreateBody {
  readonly Image: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Hostname?: string;
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly StopSignal?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Healthcheck?: HealthcheckBody;
  readonly HostConfig: HostConfigBody;
  readonly NetworkingConfig?: { readonly EndpointsConfig: Readonly<Record<string, EndpointBody>> };
}

/** Durations are nanoseconds; 0 means the image's or the engine's own. */
export interface HealthcheckBody {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly Retries?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
}

export interface HostConfigBody extends ResourcesBody {
  readonly NetworkMode: string;
  readonly Isolation: 'default';
  readonly Mounts?: readonly MountBody[];
  readonly PortBindings?: Readonly<Record<string, readonly PortBindingBody[]>>;
  readonly LogConfig?: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
  readonly Dns?: readonly string[];
  readonly DnsSearch?: readonly string[];
  readonly DnsOptions?: readonly string[];
  readonly ExtraHosts?: readonly string[];
  readonly GroupAdd?: readonly string[];
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
  readonly SecurityOpt?: readonly string[];
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly ReadonlyRootfs?: boolean;
  readonly Init?: boolean;
  readonly OomScoreAdj?: number;
}

export interface ResourcesBody {
  /** Bytes. */
  readonly Memory?: number;
  /** Bytes of memory and swap together; -1 is no limit. */
  readonly MemorySwap?: number;
  readonly MemorySwappiness?: number;
  /** Billionths of a CPU. */
  readonly NanoCpus?: number;
  readonly PidsLimit?: number;
  readonly Ulimits?: readonly UlimitBody[];
}

export interface UlimitBody {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

export interface PortBindingBody {
  /** Decimal; absent lets the engine choose. */
  readonly HostPort?: string;
}

export interface MountBody {
  readonly Type: 'bind' | 'volume' | 'tmpfs';
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly BindOptions?: BindOptionsBody;
  readonly VolumeOptions?: VolumeOptionsBody;
  readonly TmpfsOptions?: TmpfsOptionsBody;
}

export interface BindOptionsBody {
  readonly Propagation: 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave';
  readonly NonRecursive?: boolean;
  /** API 1.43. */
  readonly CreateMountpoint?: boolean;
  /** API 1.44. */
  readonly ReadOnlyNonRecursive?: boolean;
  /** API 1.44. */
  readonly ReadOnlyForceRecursive?: boolean;
}

export interface VolumeOptionsBody {
  readonly NoCopy?: boolean;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly DriverConfig?: { readonly Name?: string; readonly Options?: Readonly<Record<string, string>> };
  /** API 1.45. */
  readonly Subpath?: string;
}

export interface TmpfsOptionsBody {
  readonly SizeBytes?: number;
  /** Permission bits. */
  readonly Mode?: number;
  /** `[name]` or `[name, value]`; API 1.46. */
  readonly Options?: readonly (readonly string[])[];
}

export type EndpointBody = Docker.EndpointSettings;
export type NetworkCreateBody = Docker.NetworkCreateOptions;
export type VolumeCreateBody = Docker.VolumeCreateOptions;
