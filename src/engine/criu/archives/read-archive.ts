import { createReadStream, createWriteStream, existsSync, mkdirSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { withinSpace } from '#src/platform/out-of-space.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import {
  type ArchiveContents,
  type ArchiveLayout,
  type ArchiveLimits,
  archiveLayout,
  archiveNames,
  isEncryptedArchive,
  ownNames,
} from './archive.ts';
import { archiveInvalid, archiveTooLarge, archiveUnsupported, noArchive } from './archive-problems.ts';
import { allNamesBytes, checkLayer, type LayerBudget, layerKinds, overlayKinds, relativePath, spend } from './check-layer.ts';
import { decompress } from './decompress.ts';
import { checkTmpfsImages } from './harmless-images.ts';
import { readEngine } from './read-engine.ts';
import { readEntries } from './read-entries.ts';
import type { EntryContent, TarHeader } from './tar-header.ts';

/** Of files that are read into memory. */
const smallFileBytes = 16 * 1024 * 1024;
const largeFiles =
  /^(rootfs-diff\.tar|devshm-checkpoint\.tar|checkpoint\/[^/]+|thaw\/manifest\.json|thaw\/overlay\.tar|thaw\/(image\/)?[^/]+\.enc)$/;
/** What is taken from an archive; all else is passed over. */
const wanted =
  /^(config\.dump|spec\.dump|rootfs-diff\.tar|devshm-checkpoint\.tar|deleted\.files|(checkpoint|thaw|thaw\/image)\/[A-Za-z0-9._-]+)$/;

/**
 * Unpacks a checkpoint archive (plain, gzip or zstd: told by its first bytes) into `into`, a directory that is not there yet; whole or not at
 * all. Tars inside are compared with what they may hold, and not unpacked. Throws archive_invalid or archive_too_large naming the entry,
 * archive_unsupported, disk_reserve; the reason of `signal` when aborted.
 */
export async function readArchive(source: Readable, into: string, limits: ArchiveLimits, signal: AbortSignal): Promise<ArchiveContents> {
  mkdirSync(into, { mode: 0o700 });
  try {
    return await withinSpace('the unpacking of the archive', async () => {
      const budget: LayerBudget = { ...limits, nameBytes: allNamesBytes };
      const { stages, readBytes } = await decompress(source, limits.expansionRatio);
      const seen = new Set<string>();
      await readEntries(stages, 'the archive', signal, async (header, content) => {
        spend(budget, header.name, header);
        const name = placeOf(header, seen);
        if (name !== undefined) await writeFile(join(into, name), header, content);
      });
      const layout = archiveLayout(into);
      if (isEncryptedArchive(layout)) return { engine: 'thaw', layout, readBytes: readBytes() }; // opaque, and by whoever has the key
      await checkTars(layout, limits.expansionRatio, budget, signal);
      for (const directory of [layout.image, join(into, ownNames.image)]) {
        await checkTmpfsImages(directory, limits.expansionRatio, budget, signal);
      }
      return { engine: readEngine(layout), layout, readBytes: readBytes() };
    });
  } catch (error) {
    await removeTree(into);
    throw error;
  }
}

/** Where below the directory the entry goes; undefined: nowhere. Throws for what no writer of archives makes. */
function placeOf(header: TarHeader, seen: Set<string>): string | undefined {
  const name = relativePath(header.name);
  if (name === undefined) throw archiveInvalid(header.name, 'lies outside of the archive');
  if (/^(pre-checkpoint$|pre-checkpoint\/|checkpoint\/parent$)/.test(name)) {
    throw archiveUnsupported(
      'the archive holds only what changed since an earlier checkpoint (--with-previous)',
      'Take a checkpoint that stands for itself.',
    );
  }
  if (header.type === 'directory') return undefined;
  if (header.type !== 'file' || header.isSparse) throw archiveInvalid(header.name, `is no file or directory but ${header.type}`);
  if (seen.has(name)) throw archiveInvalid(header.name, 'is there twice');
  seen.add(name);
  if (!wanted.test(name)) return undefined;
  if (!largeFiles.test(name) && header.sizeBytes > smallFileBytes) throw archiveTooLarge(header.name, `${smallFileBytes} bytes`);
  return name;
}

/** With its time: it is the only one that podman 4 tells of a checkpoint. */
async function writeFile(path: string, { modifiedAt }: TarHeader, content: EntryContent): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await pipeline(content, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  if (modifiedAt.getTime() > 0) utimesSync(path, modifiedAt, modifiedAt);
}

async function checkTars(layout: ArchiveLayout, expansionRatio: number, budget: LayerBudget, signal: AbortSignal): Promise<void> {
  const tars = [
    [layout.rootfsDiff, archiveNames.rootfsDiff, layerKinds],
    [layout.devShm, archiveNames.devShm, layerKinds],
    [join(layout.directory, ownNames.overlay), ownNames.overlay, overlayKinds],
  ] as const;
  for (const [file, name, kinds] of tars) {
    if (!existsSync(file)) continue;
    const { stages } = await decompress(createReadStream(file), expansionRatio); // containerd packs it
    await checkLayer(stages, name, kinds, budget, signal);
  }
  if (!existsSync(join(layout.image, 'inventory.img'))) {
    throw noArchive('the archive', `holds no checkpoint: ${archiveNames.checkpoint}/inventory.img is missing`);
  }
}
