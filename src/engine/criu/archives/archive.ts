import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The names inside a checkpoint archive, as podman, CRI-O and containerd write them, and what of ours lies beside them.
 * Writing: `writeGoldenArchive` (write-archive.ts). Reading: `readArchive` (read-archive.ts), then `installArchive` (install-archive.ts).
 */
export const archiveNames = {
  config: 'config.dump',
  spec: 'spec.dump',
  network: 'network.status',
  stats: 'stats-dump',
  checkpoint: 'checkpoint',
  rootfsDiff: 'rootfs-diff.tar',
  deletedFiles: 'deleted.files',
  devShm: 'devshm-checkpoint.tar',
  /** Our own files, which other engines pass over: a golden comes back from them to the bit. */
  own: 'thaw',
} as const;

/** What lies in our own part, beside golden.json, config.json, state.json and manifest.json of the golden. */
export const ownNames = {
  /** Directories with what makes them opaque, and whiteouts: what only an overlay understands of the layer. */
  overlay: 'thaw/overlay.tar',
  /** Sockets of the layer, which no tar can hold. */
  sockets: 'thaw/sockets.json',
  /** Image files as they were before they were changed for other engines; empty: the golden has none of that name. */
  image: 'thaw/image',
} as const;

/** `thaw`: written by us, and restored exactly. The others lack what is made up for from the template. */
export type ArchiveEngine = 'thaw' | 'podman' | 'cri-o' | 'containerd';

/** What keeps a hostile archive from filling the disk or the memory. */
export interface ArchiveLimits {
  /** Of all that is unpacked, the changes of the root filesystem included. */
  readonly bytes: number;
  readonly entries: number;
  /** Unpacked bytes to each byte read, where the archive is compressed; the first 64 MB are free. */
  readonly expansionRatio: number;
}

export const defaultArchiveLimits: ArchiveLimits = { bytes: 64 * 1024 ** 3, entries: 1_000_000, expansionRatio: 200 };

/** An archive unpacked into a directory, checked for what it holds and nothing yet believed of what that says. */
export interface ArchiveContents {
  readonly engine: ArchiveEngine;
  readonly layout: ArchiveLayout;
  /** Bytes read from the source, still compressed. */
  readonly readBytes: number;
}

/** Where the parts of an unpacked archive lie. */
export interface ArchiveLayout {
  readonly directory: string;
  readonly config: string;
  readonly spec: string;
  readonly image: string;
  readonly rootfsDiff: string;
  readonly deletedFiles: string;
  readonly devShm: string;
  readonly own: string;
}

export function archiveLayout(directory: string): ArchiveLayout {
  return {
    directory,
    config: join(directory, archiveNames.config),
    spec: join(directory, archiveNames.spec),
    image: join(directory, archiveNames.checkpoint),
    rootfsDiff: join(directory, archiveNames.rootfsDiff),
    deletedFiles: join(directory, archiveNames.deletedFiles),
    devShm: join(directory, archiveNames.devShm),
    own: join(directory, archiveNames.own),
  };
}

/** One of ours whose files are encrypted, and nothing that another engine could restore. */
export function isEncryptedArchive({ own }: Pick<ArchiveLayout, 'own'>): boolean {
  return existsSync(join(own, 'encryption.json'));
}
