import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { signatureFile } from '#src/engine/criu/golden-signature.ts';
import type { GoldenLayout } from '#src/engine/criu/instance-layout.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { type ArchiveLayout, ownNames } from './archive.ts';
import { archiveInvalid } from './archive-problems.ts';
import { appAttributes } from './gnu-tar.ts';
import { requireHarmlessImages } from './harmless-images.ts';
import { requireHarmlessRunc } from './harmless-runc.ts';
import { readDump } from './read-engine.ts';
import { overlayAttributes, unpackLayer, unpackSockets } from './unpack-layer.ts';

/** As externalMounts in oci-spec.ts; what else a record says is given /dev/null at a restore. Of cgroup v1 the controllers that are shown. */
const ownMounts = [
  ...['/run/thaw', '/etc/hostname', '/etc/hosts', '/etc/resolv.conf', '/etc/machine-id', '/sys/fs/cgroup'],
  ...['memory', 'cpu', 'cpuacct', 'cpuset', 'pids'].map((name) => `/sys/fs/cgroup/${name}`),
];

/** They become options of CRIU's, which one with a colon in it would make into others. */
const OwnRecord = z.looseObject({ externalMounts: z.array(z.enum(ownMounts)) });

/** One of ours: every file comes back as it was, the ones changed for other engines from where they were put aside. */
export async function installOwn(archive: ArchiveLayout, target: GoldenLayout, signal: AbortSignal): Promise<{ sealed: boolean }> {
  moveImages(archive.image, target.image);
  restoreChanged(join(archive.directory, ownNames.image), target.image);
  requireHarmlessImages(target.image, ownMounts);
  for (const file of [target.record, target.config, target.runcState]) {
    const name = join('thaw', basename(file));
    if (!existsSync(join(archive.directory, name))) throw archiveInvalid(name, 'is missing');
    moveFile(join(archive.directory, name), file);
  }
  requireHarmlessRunc(target);
  readDump(target.record, OwnRecord);
  const sealed = existsSync(join(archive.own, basename(target.manifest)));
  for (const name of [basename(target.manifest), signatureFile]) {
    if (existsSync(join(archive.own, name))) moveFile(join(archive.own, name), join(target.directory, name));
  }
  mkdirSync(target.diff, { mode: 0o755 });
  const overlay = join(archive.directory, ownNames.overlay);
  // First, while there is no link yet: it holds directories and whiteouts only.
  if (existsSync(overlay)) await unpackLayer(overlay, ownNames.overlay, target.diff, overlayAttributes, signal);
  if (existsSync(archive.rootfsDiff))
    await unpackLayer(archive.rootfsDiff, basename(archive.rootfsDiff), target.diff, appAttributes, signal);
  const sockets = join(archive.directory, ownNames.sockets);
  if (existsSync(sockets)) await unpackSockets(sockets, ownNames.sockets, target.diff);
  await removeTree(archive.directory);
  return { sealed };
}

/** All files of one directory into another, read-only. */
export function moveImages(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(from)) moveFile(join(from, name), join(to, name));
}

function restoreChanged(from: string, images: string): void {
  for (const name of existsSync(from) ? readdirSync(from) : []) {
    if (statSync(join(from, name)).size === 0) rmSync(join(images, name), { force: true });
    else moveFile(join(from, name), join(images, name));
  }
}

function moveFile(from: string, to: string): void {
  chmodSync(from, 0o400);
  renameSync(from, to);
}
