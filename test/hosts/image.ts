import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { testbedCache } from './engine-roots.ts';
import { tarOf } from './tar.ts';

/** What a container of the image runs with: the parts of the OCI image configuration that tests change. */
export interface ImageConfig {
  readonly Cmd?: readonly string[];
  readonly Entrypoint?: readonly string[];
  /** `NAME=value`. */
  readonly Env?: readonly string[];
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly Healthcheck?: {
    readonly Test: readonly string[];
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly StartPeriod?: number;
    readonly Retries?: number;
  };
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly User?: string;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly WorkingDir?: string;
}

/** A piece of content with its address. */
export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

/** One layer, a configuration, and the manifest that names both (Docker's image manifest, version 2 schema 2). */
export interface Image {
  readonly layer: Blob;
  readonly config: Blob;
  readonly manifest: Blob;
}

const MEDIA = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar',
};

/** Docker's names of the architectures Node knows. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ppc64: 'ppc64le' };

/** The image every engine of a bed gets unless told otherwise. */
export const BUSYBOX = 'netd/busybox:1';

/** Busybox with every applet, users root, www (1000, also in group extra 1001) and nobody; runs a shell. */
export function busyboxImage(config: ImageConfig = {}): Image {
  return imageOf(readFileSync(join(testbedCache(), 'images/busybox.tar')), { Cmd: ['sh'], ...config });
}

/** An image of one uncompressed layer. The same layer and configuration give the same ids on every engine. */
export function imageOf(layerTar: Buffer, config: ImageConfig): Image {
  const layer = blobOf(MEDIA.layer, layerTar);
  const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(config.Env ?? [])];
  const configBlob = jsonBlob(MEDIA.config, {
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    created: '2020-01-01T00:00:00Z',
    config: { ...config, Env: env },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created: '2020-01-01T00:00:00Z', created_by: 'netd test bed' }],
  });
  const manifest = jsonBlob(MEDIA.manifest, {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: descriptor(configBlob),
    layers: [descriptor(layer)],
  });
  return { layer, config: configBlob, manifest };
}

/** The image in the form `docker load` takes, with the references it shall have. */
export function dockerArchive(image: Image, references: readonly string[]): Buffer {
  const config = `${image.config.digest.replace('sha256:', '')}.json`;
  const manifest = [{ Config: config, RepoTags: references, Layers: ['layer.tar'] }];
  return tarOf([
    { name: 'manifest.json', data: Buffer.from(JSON.stringify(manifest)) },
    { name: config, data: image.config.bytes },
    { name: 'layer.tar', data: image.layer.bytes },
  ]);
}

function jsonBlob(mediaType: string, value: unknown): Blob {
  return blobOf(mediaType, Buffer.from(JSON.stringify(value)));
}

function blobOf(mediaType: string, bytes: Buffer): Blob {
  return { mediaType, bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

function descriptor(blob: Blob): { mediaType: string; size: number; digest: string } {
  return { mediaType: blob.mediaType, size: blob.bytes.length, digest: blob.digest };
}
