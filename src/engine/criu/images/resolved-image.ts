import type { ImageConfig } from './image-config.ts';

/** What a reference stands for right now, and how to make it. */
export interface ResolvedImage {
  /** sha256 that identifies the content on this machine. */
  readonly digest: string;
  /** That of the index of several platforms which the reference names; the content may be asked for by it, too. */
  readonly indexDigest?: string;
  /** What making it takes on the disk at most, by estimate. */
  readonly needBytes: number;
  /** Makes `<directory>/rootfs` with owners, modes and links as in the image. */
  build(directory: string, signal?: AbortSignal): Promise<BuiltImage>;
}

export interface BuiltImage {
  /** Of what was really made: a directory may have changed since it was resolved. */
  readonly digest: string;
  readonly config: ImageConfig;
}
